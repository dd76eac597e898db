"""The work folder: results of jobs and trained models, which a later run takes up."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import odflow
from benchmarks.ddpm_tme.jobs import Job
from benchmarks.ddpm_tme.version import model_version
from odflow.errors import OdflowError
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.report import json_text, write_text
from odflow.files import replacing
from odflow.training.data import data_hash

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.generate.base import TrafficGenerator

    Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Work:
    """Results and models in a folder.

    Parameters
    ----------
    folder : Path
    keep_old : bool
        Whether those of other versions of the code count.
    """

    folder: Path
    keep_old: bool = False

    def result(self, job: Job, identity: str, code: str) -> dict[str, Any] | None:
        """What a job found; None if it has not run, or ran with another configuration, other data or other code."""
        found = _json(self._result(job))
        if found is None or found.get("identity") != identity:
            return None
        return found if self.keep_old or found.get("code") == code else None

    def write_result(self, job: Job, found: dict[str, Any], arrays: Arrays | None = None) -> None:
        """Keep what a job found; the result is there only when its arrays are."""
        path = self._result(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrays is not None:
            with replacing(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **{name: array.astype(np.float32) for name, array in arrays.items()})
        write_text(path, json_text(found))

    def arrays(self, job: Job) -> dict[str, NDArray[np.float64]] | None:
        """What was kept of a job for the figures."""
        path = self._result(job).with_suffix(".npz")
        if not path.is_file():
            return None
        with np.load(path) as file:
            return {name: file[name].astype(float) for name in file.files}

    def _result(self, job: Job) -> Path:
        return self.folder / "results" / f"{job.name}.json"

    def trained(
        self,
        generator: TrafficGenerator,
        history: xr.DataArray,
        tell: Callable[[str], None],
        command: str,
    ) -> tuple[TrafficGenerator, dict[str, Any]]:
        """The generator trained on a history, or the same from an earlier run; and what the training took."""
        folder = self.folder / "models"
        folder.mkdir(parents=True, exist_ok=True)
        identity, code = model_identity(generator, history), model_version(type(generator).__name__)
        path = folder / f"{type(generator).__name__}-{identity}.safetensors"
        about = _json(path.with_suffix(".json"))
        if about is not None and path.is_file() and (self.keep_old or about.get("code") == code):
            with suppress(OdflowError):
                model: TrafficGenerator = odflow.load(path)
                return model, about
        name = f"{type(generator).__name__}, {history.sizes['time']} TMs, seed {generator.config.seed}"

        def report(done: int, total: int, losses: Mapping[str, float]) -> None:
            parts = ", ".join(f"{part} {value:.3g}" for part, value in losses.items())
            tell(f"{name}: step {done} of {total}; {parts}")

        checkpoint = folder / f"{path.stem}-{code}.checkpoint"
        told, start = reset_peak(), time.perf_counter()
        generator.fit(history, checkpoint=checkpoint, resume=True, progress=report, command=command)
        about = {
            "identity": identity,
            "code": code,
            # what is learnt before the first step counts too, and what was trained before an interrupt
            "seconds": max(time.perf_counter() - start, generator.provenance_["seconds"]),
            "steps_s": generator.provenance_["seconds"],
            "steps": generator.provenance_["steps"],
            "tms": generator.provenance_["tms"],
            "losses": generator.provenance_["losses"],
            "parameters": parameters(generator),
            "peak_mib": peak_mib() if told else float("nan"),
        }
        generator.save(path)
        write_text(path.with_suffix(".json"), json_text(about))
        checkpoint.unlink(missing_ok=True)
        # what was read from a file and what was just trained shall give the same bits
        again: TrafficGenerator = odflow.load(path)
        return again, json.loads(json_text(about))


def model_identity(generator: TrafficGenerator, history: xr.DataArray) -> str:
    """Hash of class, configuration and data."""
    return digest({"kind": type(generator).__name__, "config": asdict(generator.config), "data": data_hash(history)})


def parameters(generator: TrafficGenerator) -> int:
    """Trained numbers in all networks."""
    return sum(weights.numel() for net in generator.networks_.values() for weights in net.parameters())


def digest(value: Any) -> str:
    """Twenty hexadecimal digits for anything that is plain JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
