"""Random numbers from seeds alone: no global state is read or written."""

from __future__ import annotations

import hashlib

import torch


def generator_of(seed: int, *stream: int) -> torch.Generator:
    """Make the generator of one stream of random numbers.

    Parameters
    ----------
    seed : int
    *stream : int
        Whatever tells this stream from the others of the seed, such as the step.

    Returns
    -------
    torch.Generator
        On the CPU, so that results do not depend on the device: draw there, then move.
    """
    digest = hashlib.sha256(repr((int(seed), *map(int, stream))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
