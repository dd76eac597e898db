"""Model files: round trip, refusals, and which class each kind comes back as."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import odflow as of
from odflow.errors import DataError, FormatError, MissingDependencyError, OdflowError
from odflow.modelfile import ModelFile, read_model, write_model

HEADER = {"config": {"steps": 3, "rate": 1e-3, "norm": None}, "nodes": ["Zürich", "a\nb"], "end": "2026-01-01"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


def test_round_trip(file: Path):
    tensors = {
        "double": np.arange(6.0).reshape(2, 3),
        "single": np.arange(6, dtype="f4").reshape(2, 3).T,
        "strided": np.arange(10.0)[::3],
        "scalar": np.array(3.5),
        "whole": np.array([-1, 2**40]),
        "flag": np.array([True, False]),
        "none": np.zeros((0, 4)),
    }
    write_model(file, ModelFile("TrafficDiffusion", HEADER, tensors))
    model = read_model(file)
    assert model.kind == "TrafficDiffusion"
    assert model.header == HEADER | {"odflow": of.__version__}
    assert model.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert model.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(model.tensors[name], tensor, strict=True)
    with safe_open(str(file), framework="numpy") as content:
        assert json.loads(content.metadata()["odflow"])["kind"] == "TrafficDiffusion"


def test_others_may_read_what_they_may_read_elsewhere(file: Path):
    plain = file.with_name("plain.txt")
    plain.touch()
    write_model(file, ModelFile("TrafficDiffusion", HEADER, {"x": np.zeros(3)}))
    assert file.stat().st_mode == plain.stat().st_mode


def test_a_file_written_again_keeps_its_version(file: Path):
    write_model(file, ModelFile("X", {"odflow": "0.0.1"}, {}))
    assert read_model(file).header == {"odflow": "0.0.1"}


def test_the_kind_used_to_be_called_estimator(file: Path):
    header = {"estimator": "KLProjection", "odflow": "0.1.0", "parameters": {"window": "1d"}}
    header |= {"nodes": ["a"], "history_end": "2026-01-01"}
    save_file({"mean": np.ones(1)}, str(file), metadata={"odflow": json.dumps(header)})
    assert read_model(file).kind == "KLProjection"
    estimator = of.load(file)
    assert (estimator.window, estimator.nodes_, estimator.mean_.tolist()) == ("1d", ("a",), [1.0])


def test_an_error_leaves_the_file_as_it_was(file: Path):
    write_model(file, ModelFile("X", {}, {}))
    before = file.read_bytes()
    with pytest.raises(TypeError):
        write_model(file, ModelFile("X", {"what": object()}, {}))
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    with pytest.raises(OdflowError, match="cannot write"):
        write_model(file.parent / "missing" / "m.safetensors", ModelFile("X", {}, {}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_numbers_that_are_not_finite_are_refused(file: Path, value: float, dtype: str):
    write_model(file, ModelFile("X", {}, {"good": np.ones(3), "bad": np.array([1, value], dtype)}))
    with pytest.raises(FormatError, match=r"m.safetensors: 'bad' holds values that are negative or not finite"):
        read_model(file)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "3", "null", "{}", '{"kind": 3}', '{"kind": null, "estimator": "Gravity"}', "[" * 100_000],
)
def test_headers_that_are_none(file: Path, text: str):
    save_file({"mean": np.ones(4)}, str(file), metadata={"odflow": text})
    with pytest.raises(FormatError, match="is not a model saved by odflow"):
        read_model(file)


def test_other_files(file: Path):
    with pytest.raises(OdflowError, match="no such file"):
        read_model(file)
    file.write_bytes(pickle.dumps({"kind": "Gravity"}))
    with pytest.raises(FormatError, match="is not a model saved by odflow"):
        read_model(file)
    save_file({"mean": np.ones(4)}, str(file))
    with pytest.raises(FormatError, match="is not a model saved by odflow"):
        read_model(file)


def test_a_truncated_file(file: Path):
    write_model(file, ModelFile("X", HEADER, {"a": np.ones(50)}))
    whole = file.read_bytes()
    for size in range(1, len(whole), 9):
        file.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="is not a model saved by odflow"):
            read_model(file)


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Takes the place of what restores generators and generative estimators."""
    module = ModuleType("fake")
    monkeypatch.setattr("odflow.estimate.store.load_generator", lambda model: module.load_generator(model))
    monkeypatch.setitem(sys.modules, "odflow.estimate.generative", module)
    return module


GENERATORS = ("TrafficDiffusion", "TrafficVAE", "TrafficWGANGP")
GENERATIVE = ("DDPMTME", "VAETME", "WGANTME")


@pytest.mark.parametrize("kind", GENERATORS + GENERATIVE)
def test_learned_models_are_restored_by_their_own(file: Path, generators: ModuleType, kind: str):
    generators.load_generator = lambda model: ("generator", model.kind, model.header["nodes"])
    generators.restore = lambda model: ("estimator", model.kind, model.header["nodes"])
    write_model(file, ModelFile(kind, HEADER, {}))
    assert of.load(file) == ("generator" if kind in GENERATORS else "estimator", kind, HEADER["nodes"])


@pytest.mark.parametrize("kind", ["TrafficVAE", "VAETME"])
@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (KeyError("width"), FormatError, "m.safetensors: is not a model saved by odflow .*width"),
        (DataError("wrong shape"), FormatError, "m.safetensors: holds a model that does not fit: wrong shape"),
        (ModuleNotFoundError("No module named 'x'", name="x"), ModuleNotFoundError, "'x'"),
    ],
)
def test_learned_models_that_fail(file: Path, generators: ModuleType, kind: str, error, raised, message: str):
    def fail(model: ModelFile) -> None:
        raise error

    generators.load_generator = generators.restore = fail
    write_model(file, ModelFile(kind, {}, {}))
    with pytest.raises(raised, match=message):
        of.load(file)


@pytest.mark.parametrize("kind", GENERATORS + GENERATIVE)
def test_learned_models_without_torch(file: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    write_model(file, ModelFile(kind, HEADER, {}))
    monkeypatch.setattr("odflow.estimate.store.find_spec", {}.get)
    message = rf"m.safetensors: {kind} needs torch; install it with: pip install 'odflow\[learn\]'$"
    with pytest.raises(MissingDependencyError, match=message):
        of.load(file)


def test_kinds_of_the_future(file: Path):
    write_model(file, ModelFile("Oracle", {}, {}))
    with pytest.raises(FormatError, match="its kind, Oracle, is unknown to this version of odflow"):
        of.load(file)


def test_an_end_with_a_zone_is_refused(file: Path, tmp_path: Path):
    times = np.datetime64("2026-01-05", "h") + np.arange(30)
    of.GaussianPosterior().fit(of.demands(np.ones((30, 4)), times, ("a", "b"), 3600)).save(file)
    model = read_model(file)
    write_model(file, ModelFile(model.kind, {**model.header, "history_end": "2026-01-06T06:00+01:00"}, model.tensors))
    with pytest.raises(FormatError, match="zone"):
        of.load(file)
