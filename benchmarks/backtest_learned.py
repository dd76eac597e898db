"""Back-tests that chose the constants of DDPM-TME and its rivals: ``python -m benchmarks.backtest_learned``.

The last training week (Abilene 16, GEANT 11; ``--back 3``: two weeks before that), every eighth TM of it, is
estimated by models trained on the weeks before; the test weeks are not touched. An hour or two on one core, less
with ``--only``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product

import numpy as np
import torch
import xarray as xr

import odflow as of
from odflow.traffic.datasets import Dataset

WEEK = {"abilene": 2016, "geant": 672}
FULL_LATENT = {"abilene": 144, "geant": 512}
HALF_LIVES = (0.0, 7.0, 14.0, 28.0, 56.0)


def diffusions(name: str) -> dict[str, of.DiffusionConfig]:
    """Trainings that were compared; the first is the default of DDPM-TME."""
    usual = of.DDPMTME()._default_config()
    assert isinstance(usual, of.DiffusionConfig)
    return {
        "default": usual,
        **{f"half-life {days:g} days": replace(usual, half_life=days) for days in HALF_LIVES},
        "marginals 1 (quantiles)": replace(usual, marginals=1.0),
        "latents in proportion": replace(usual, whiten=False),
        "all latents": replace(usual, latent=FULL_LATENT[name]),
    }


INVERSIONS: list[dict[str, float]] = [
    {},
    {"prior": 0.0},
    {"prior": 1e-3, "learning_rate": 0.1},
    {"prior": 6e-3},
    {"prior": 6e-4},
    {"learning_rate": 0.3},
    {"steps": 300},
    {"sampling_steps": 5},
]
RIVALS: list[dict[str, float]] = [
    {},
    {"prior": 0.0, "learning_rate": 0.05, "steps": 200},
    {"prior": 2e-3, "learning_rate": 0.2},
    {"prior": 2e-3, "learning_rate": 0.05},
    {"prior": 2e-2, "learning_rate": 0.2},
    {"prior": 2e-4, "learning_rate": 0.2},
    {"prior": 6e-3, "learning_rate": 0.1},
]


def parts(data: Dataset, name: str, back: int = 1) -> tuple[xr.DataArray, xr.DataArray]:
    """What is before the last week but `back` - 1 of the training part, and every eighth TM of that week.

    Without flagged glitches.
    """
    end = data.train.sizes["time"] - (back - 1) * WEEK[name]
    past, now = data.train[: end - WEEK[name]], data.train[end - WEEK[name] : end]
    return past[past["valid"].values], now[now["valid"].values][::8]


def show(words: str, estimator: of.DDPMTME | of.VAETME | of.WGANTME, data: Dataset, now: xr.DataArray) -> None:
    own, projected = estimator.stages(data.routing.loads(now), data.routing)
    errors = [float(of.evaluate.tre(now, x.drop_vars("stage")).mean()) for x in (own, projected)]
    flows = of.evaluate.sre(now, own.drop_vars("stage")).values
    sre = float(np.mean(flows[np.isfinite(flows)]))
    print(f"  own {errors[0]:.4f} (SRE {sre:.3f})  projected {errors[1]:.4f}  {words}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--datasets", nargs="+", default=list(WEEK), choices=list(WEEK))
    options.add_argument("--back", nargs="+", type=int, default=[1], help="weeks from the end of the training part")
    options.add_argument("--only", default="", help="only diffusions whose name has this in it, and no rivals")
    options.add_argument("--seed", type=int, default=0, help="of the trainings")
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    for name, back in product(chosen.datasets, chosen.back):
        data = {"abilene": of.data.abilene, "geant": of.data.geant}[name]()
        past, now = parts(data, name, back)
        where = f"{name}, training week {-back}"
        for words, config in diffusions(name).items():
            if chosen.only not in words:
                continue
            print(f"{where}: diffusion, {words}", flush=True)
            model = of.TrafficDiffusion(replace(config, seed=chosen.seed)).fit(past)
            for fields in INVERSIONS if words == "default" else INVERSIONS[:1]:
                show(str(fields or "default"), of.DDPMTME(generator=model, **fields), data, now)  # type: ignore[arg-type]
        if chosen.only:
            continue
        for generator, kind in ((of.TrafficVAE, of.VAETME), (of.TrafficWGANGP, of.WGANTME)):
            print(f"{where}: {generator.__name__}", flush=True)
            rival = generator(replace(kind()._default_config(), seed=chosen.seed)).fit(past)  # type: ignore[arg-type]
            for fields in RIVALS:
                show(str(fields or "default"), kind(generator=rival, **fields), data, now)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
