"""Saved estimators come back the same; other files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors import safe_open
from safetensors.numpy import save_file

import odflow as of
from odflow.errors import FormatError, NotFittedError, OdflowError
from odflow.estimate.base import Estimator
from odflow.network.routing import Routing


@pytest.mark.parametrize(
    "estimator",
    [
        of.Gravity(noise=0.02),
        of.Tomogravity(floor=0.2),
        of.KLProjection(window="7d", half_life=None),
        of.GaussianPosterior(rank=3, noise={"ab1": 0.1}),
    ],
    ids=lambda e: type(e).__name__,
)
def test_round_trip(
    estimator: Estimator, history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing, tmp_path: Path
):
    estimator.fit(history)
    file = tmp_path / "m.safetensors"
    estimator.save(file)
    again = of.load(file)
    assert repr(again) == repr(estimator)
    xr.testing.assert_identical(again.estimate(loads, diamond_routing), estimator.estimate(loads, diamond_routing))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_nothing_to_save(tmp_path: Path):
    with pytest.raises(NotFittedError, match="nothing to save"):
        of.GaussianPosterior().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_models(tmp_path: Path):
    file = tmp_path / "m.safetensors"
    with pytest.raises(OdflowError, match="no such file"):
        of.load(file)
    file.write_bytes(b"not a model")
    with pytest.raises(FormatError, match="not a model saved by odflow"):
        of.load(file)
    save_file({"mean": np.ones(4)}, str(file))
    with pytest.raises(FormatError, match="not a model saved by odflow"):
        of.load(file)
    header = {"estimator": "KLProjection", "parameters": {}, "nodes": ["a"], "history_end": "2026-01-01"}
    save_file({"mean": np.ones(4)}, str(file), metadata={"odflow": json.dumps(header)})
    with pytest.raises(FormatError, match="do not fit"):
        of.load(file)
    header["parameters"] = {"sweeps": 0}
    save_file({"mean": np.ones(1)}, str(file), metadata={"odflow": json.dumps(header)})
    with pytest.raises(FormatError, match="sweeps is 0"):
        of.load(file)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mean", lambda a: a * np.nan, "'mean' holds values that are negative or not finite"),
        ("mean", lambda a: -a, "'mean' holds values that are negative or not finite"),
        ("own", lambda a: a - np.inf, "'own' holds values that are negative or not finite"),
        ("own", lambda a: a[:-1], "covariance and nodes do not fit"),
        ("factors", lambda a: a[:-1], "covariance and nodes do not fit"),
        ("factors", lambda a: a.ravel(), "covariance and nodes do not fit"),
        ("factors", lambda a: a * np.inf, "'factors' holds values that are negative or not finite"),
    ],
)
def test_models_with_other_values(history: xr.DataArray, tmp_path: Path, name, change, message: str):
    file = tmp_path / "m.safetensors"
    of.GaussianPosterior().fit(history).save(file)
    with safe_open(str(file), framework="numpy") as content:
        metadata = content.metadata()
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
    tensors[name] = np.ascontiguousarray(change(tensors[name]))
    save_file(tensors, str(file), metadata=metadata)
    with np.errstate(invalid="ignore"), pytest.raises(FormatError, match=rf"m.safetensors: .*{message}"):
        of.load(file)
