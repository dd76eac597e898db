"""The comparison of Sim-MSTNet: its jobs, its numbers, its page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from benchmarks.sim_mstnet import coverage, jobs, page, sets, starts
from benchmarks.sim_mstnet.jobs import Job, all_jobs
from benchmarks.sim_mstnet.methods import RIVALS, RULES, Tuned, budget, rival
from benchmarks.sim_mstnet.ours import ABLATIONS, OURS, ours
from benchmarks.sim_mstnet.results import Cell, Results, collected, difference
from benchmarks.sim_mstnet.tune import FILE

from odflow.traffic.series import SeriesSet, series_array


def small_set(name: str) -> SeriesSet:
    """Eight days of two services at three nodes, hourly."""
    steps = 8 * 24
    time = np.datetime64("2026-01-05", "ns") + np.arange(steps) * np.timedelta64(1, "h")
    hour = np.arange(steps)[:, None, None]
    x = (
        (2 + np.cos(hour * np.pi / 12))
        * np.array([1.0, 5.0])
        * np.exp(0.1 * np.random.default_rng(0).standard_normal((steps, 3, 2)))
    )
    traffic = series_array(x, time, ["a", "b", "c"], ["up", "down"], ["bit", "bit"], 3600.0)
    return SeriesSet(name, traffic, time[5 * 24], time[6 * 24], "0" * 64, "made up")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sets, page, coverage):
        monkeypatch.setattr(module, "load", small_set)


@pytest.fixture
def known(made_up: None) -> list[Job]:
    return list(all_jobs())


def test_jobs_are_all_different_and_the_scarce_ones_come_first(known: list[Job]) -> None:
    names = [job.name for job in known]
    assert len(set(names)) == len(names)
    assert "c2tm/2-days/sim-mstnet/seed-4" in names
    assert not any("8-days" in name for name in names)  # the made-up sets have six before their test part
    learned = [job for job in known if job.method in (*OURS, *RIVALS)]
    assert {job.days for job in learned[:100]} == {2}
    whole_past = {method + jobs.WHOLE_PAST for method in (*OURS, "last", "sae, untuned")}
    assert {job.method for job in known} == {*RULES, *RIVALS, *OURS, *ABLATIONS, *whole_past}
    assert {job.seed for job in learned} == set(range(5))


def test_one_budget_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("without_randomisation", "from_real_sets"):
        monkeypatch.setattr(f"benchmarks.sim_mstnet.ours.{kind}", lambda *given: None)
    for name in RIVALS:
        config = rival(name, 96, 3, 24, 1, Tuned()).config
        own = ours("sim-mstnet", "c2tm", 96, 1, tmp_path).config
        for field in ("steps", "batch", "validate_every", "patience", "past", "quantiles", "seed"):
            assert getattr(config, field) == getattr(own, field)
    assert [budget(series, 12, 0, Tuned()).batch for series in (1, 25, 529)] == [64, 10, 4]
    assert ours("no simulation", "c2tm", 96, 0, tmp_path).config.learning_rate == Tuned().learning_rate
    for name in ABLATIONS:
        assert ours(name, "c2tm", 96, 0, tmp_path).config.steps == 300


def test_a_job_is_errors_by_day(made_up: None, tmp_path: Path) -> None:
    job = Job("abilene", 2, "last", 0)
    jobs.run(job, tmp_path)
    (found,) = jobs.read(tmp_path)
    data = small_set("abilene").traffic.values
    test = data[6 * 24 :].reshape(2, 24, 3, 2)
    np.testing.assert_allclose(found["volume"], test.sum(axis=(1, 2)), rtol=1e-5)
    assert found["leads"] == [1, 12]
    far = np.abs(data[6 * 24 :] - data[6 * 24 - 12 : -12]).reshape(2, 24, 3, 2).sum(axis=(1, 2))
    np.testing.assert_allclose(found["absolute"][1], far, rtol=1e-5)
    jobs.run(Job("c2tm", 1, "trees", 0), tmp_path)  # a day is too short for a day ahead
    assert len(jobs.read(tmp_path)) == 1
    assert "too few" in (tmp_path / "c2tm/1-days/trees/seed-0.json").read_text()


def test_looking_back_further_than_what_is_learnt_from(made_up: None, tmp_path: Path) -> None:
    for method in ("average", "average" + jobs.WHOLE_PAST):
        jobs.run(Job("abilene", 2, method, 0), tmp_path)
    short, whole = jobs.read(tmp_path)
    assert short["volume"] == whole["volume"]
    assert np.sum(whole["absolute"]) < 0.97 * np.sum(short["absolute"])  # a mean of five days, not of two


def test_networks_to_start_from(made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(starts, "load", lambda name: used.append(name) or small_set(name))
    monkeypatch.setattr(starts, "REAL_STEPS", 2)
    monkeypatch.setattr(starts, "WORLDS", 3)
    monkeypatch.setattr(starts, "TRAINING", replace(starts.TRAINING, steps=3, width=8, batch=4, ema=0.0))
    first = starts.from_real_sets("abilene", tmp_path)
    assert used == ["c2tm", "milan", "lte-elborn", "lte-lescorts", "geant", "geant-links"]
    again = starts.from_real_sets("abilene-links", tmp_path)
    assert len(used) == 6
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), again.parameters(), strict=True))
    starts.without_randomisation(tmp_path)
    assert sorted(path.name for path in (tmp_path / "starts").iterdir()) == [
        "no-randomisation.safetensors",
        "real-but-abilene.safetensors",
    ]


def result(method: str, seed: int, errors: list[float], dataset: str = "abilene") -> dict[str, object]:
    """Two days, two services, two leads: so much error on each day."""
    absolute = [[[error, 2 * error] for error in errors] for _ in range(2)]
    return {
        "dataset": dataset,
        "days": 2,
        "method": method,
        "seed": seed,
        "fit_s": 1.0,
        "forecast_s": 0.1,
        "leads": [1, 12],
        "volume": [[10.0, 20.0], [10.0, 20.0]],
        "count": [[5, 5], [5, 5]],
        "absolute": absolute,
        "squared": absolute,
    }


def test_differences() -> None:
    one = Cell((result("a", 0, [1.0, 3.0]), result("a", 1, [2.0, 2.0])))
    other = Cell((result("b", 0, [2.0, 3.0]),))
    assert one.mean(0) == pytest.approx(0.2)
    assert one.spread(0) == pytest.approx(0.0)
    np.testing.assert_allclose(one.rmse()[0], np.sqrt([0.4, 0.8]) * [10 / 20, 10 / 40])
    off = difference(one, other, 0)
    assert off.mean == pytest.approx(-0.05)
    assert (off.low, off.high) == pytest.approx((-0.1, 0.0))  # one seed drawn twice, on one day drawn twice
    single = difference(Cell(one.results[:1]), Cell((result("b", 0, [2.0, 4.0]),)), 0)
    assert (single.mean, single.low, single.high) == pytest.approx((-0.1, -0.1, -0.1))
    one_service = difference(one, other, 0, service=1)
    assert one_service.mean == pytest.approx(-0.05)


def test_where_reweighting_loses() -> None:
    rows = [result("reweighted", 0, [2.0, 3.0]), result("uniform weights", 0, [1.0, 2.0])]
    text = page._reweighting(Results(rows))  # type: ignore[arg-type]
    assert text.endswith("on abilene one step (by 10.00), abilene far (by 10.00), of 2.")
    assert page._reweighting(Results(rows[:1])) == ""  # type: ignore[arg-type]
    rows[0]["absolute"] = rows[1]["absolute"]
    assert page._reweighting(Results(rows)).endswith("on none, of 2.")  # type: ignore[arg-type]


def test_ablations_have_controls() -> None:
    methods = {*ABLATIONS, *OURS}
    assert {one for one, _ in page.words.PAIRS} == set(ABLATIONS)
    assert {other for _, other in page.words.PAIRS} <= methods


def test_results_are_collected_over_old_ones(tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    assert not collected(tmp_path / "nothing", file).cells
    file.write_text("[" + ",".join(map(str, [])) + "]")
    job = tmp_path / "work" / "seed-0.json"
    job.parent.mkdir()
    job.write_text('{"dataset": "abilene", "days": 2, "method": "last", "seed": 0, "absolute": [[[1]]]}')
    collected(job.parent, file)
    job.unlink()
    assert ("abilene", 2, "last") in collected(job.parent, file).cells
    assert jobs.finished(file) == {"abilene/2-days/last/seed-0"}


def test_page(made_up: None) -> None:
    rows = [result("sim-mstnet", seed, [1.0, 1.0]) for seed in range(2)]
    rows += [result("lstm", 0, [2.0, 2.0]), result("trees", 0, [1.5, 1.5]), result("last", 0, [0.5, 0.9])]
    text = page.markdown(Results(rows))  # type: ignore[arg-type]
    assert "| sim-mstnet | 10.0 | 10.0 | 2.0 | 2 |" in text
    assert "least error of all networks on 1 of 1 sets (abilene), and less than seasonal EWMA and trees on 1" in text
    assert "abilene one step to last by 3.0" in text
    assert "Not run on all sets yet: transformer, informer," in text
    assert "| abilene, 1 | lstm | -10.0 (-10.0 to -10.0) better | 1 of 1 (1) |" in text


def test_settings_were_tuned_by_one_rule() -> None:
    import json

    found = json.loads(FILE.read_text())
    for name, entry in found.items():
        assert name in RIVALS
        assert entry["sets"] == ["c2tm", "milan", "abilene"]
        means = [float(np.log(one["wape"]).mean()) for one in entry["tried"]]
        best = entry["tried"][int(np.argmin(means))]
        assert {key: best[key] for key in entry["chosen"]} == entry["chosen"]


def test_coverage(made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from odflow.forecast.simple import LastValue

    monkeypatch.setitem(coverage.METHODS, coverage.METHOD, lambda lead: LastValue())
    coverage.run("abilene", tmp_path)
    lines = coverage.table(coverage.collected(tmp_path, tmp_path / "c.json")).splitlines()
    assert coverage.collected(tmp_path / "nothing", tmp_path / "c.json")[0]["dataset"] == "abilene"
    rows = [[text.strip() for text in line.split("|")[1:-1]] for line in lines[2:]]
    assert [row[:2] for row in rows] == [["abilene", lead] for lead in ("1", "12", "1 to 12")]
    shares = [float(row[2]) for row in rows]
    assert all(80 < share < 98 for share in shares)
    one = json.loads((tmp_path / "coverage" / "abilene.json").read_text())
    assert shares[2] == pytest.approx(100 * np.mean(list(one["coverage"].values())), abs=0.051)
    assert shares[1] == pytest.approx(100 * np.mean(one["coverage"]["12"]), abs=0.051)
