"""The estimation benchmark on a small network."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import odflow as of
from odflow import labels
from odflow.errors import UsageError
from odflow.estimate import KLProjection
from odflow.evaluate import nmae, tre
from odflow.evaluate.estimation import METHODS, EstimationBenchmark, run
from odflow.evaluate.estimation_result import spread, summary_table
from odflow.evaluate.perturb import noisy
from odflow.evaluate.protocol import method_named, named_dataset
from odflow.evaluate.published import published
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


@pytest.fixture(scope="module")
def toy(diamond, diamond_routing):
    """Three weeks of the diamond, two of them history."""
    demands = plausible_traffic(diamond, PlausibleTraffic(weeks=3, interval="2h"), seed=1)
    return SimpleNamespace(
        name="toy",
        sha256="0" * 64,
        train=demands.isel(time=slice(0, 168)),
        test=demands.isel(time=slice(168, None)),
        routing=diamond_routing,
        loads=None,
    )


@pytest.fixture(scope="module")
def result(toy):
    return run(EstimationBenchmark(), dataset=toy)


def test_every_method_has_a_row(result):
    assert [row.method for row in result.rows] == list(METHODS)
    assert [row.method for row in result.rows if row.kind == "oracle"] == ["oracle:test-mean+kl", "oracle:previous+kl"]
    assert [row.method for row in result.rows if row.kind == "context"] == ["last-week"]
    assert all(row.score.times == 84 for row in result.rows)


def test_rows_hold_what_the_public_interface_gives(result, toy):
    loads = toy.routing.loads(toy.test)
    estimate = KLProjection(prior="gravity").estimate(loads, toy.routing)
    assert result.row("gravity+kl").score.all.tre.mean == pytest.approx(float(tre(toy.test, estimate).mean()))
    estimate = KLProjection(prior="history").fit(toy.train).estimate(loads, toy.routing)
    assert result.row("recency+kl").score.all.nmae == pytest.approx(nmae(toy.test, estimate))
    mean = toy.train.isel(time=slice(84, None)).mean("time")
    repeated = toy.test.copy(data=np.broadcast_to(mean.values, toy.test.shape))
    assert result.row("last-week").score.all.nmae == pytest.approx(nmae(toy.test, repeated))


def test_projection_meets_the_loads_and_the_bare_prior_does_not(result):
    assert result.row("last-week+kl").score.all.residual.max < 3e-3
    assert result.row("last-week").score.all.residual.mean > 0.05


def test_the_previous_oracle_uses_the_tm_before(toy):
    method = method_named("oracle:previous+kl", 0.0)
    history = method.history(toy.train, toy.test)
    estimator = method.estimator.fit(history)
    loads = toy.routing.loads(toy.test)
    found = estimator.estimate(loads, toy.routing)
    for t in (0, 1, 50):
        single = KLProjection(prior="history", half_life=None).fit(history.isel(time=[t]))
        expected = single.estimate(loads.isel(time=[t]), toy.routing)
        np.testing.assert_allclose(found.isel(time=[t]).values, expected.values, rtol=1e-6, atol=1e-3)


def test_the_previous_oracle_needs_a_predecessor(toy):
    loads = toy.routing.loads(toy.test)
    estimator = method_named("oracle:previous+kl", 0.0).estimator
    with pytest.raises(UsageError, match="needs the true TMs"):
        estimator.estimate(loads, toy.routing)
    with pytest.raises(UsageError, match="has no TM before 2026-01-19T00:00:00"):
        estimator.fit(toy.test).estimate(loads, toy.routing)


def test_oracles_are_fitted_with_the_test_part_and_others_are_not(toy):
    assert method_named("oracle:test-mean+kl", 0.0).history(toy.train, toy.test) is toy.test
    for name in ("mean+kl", "recency+kl", "gaussian"):
        assert method_named(name, 0.0).history(toy.train, toy.test) is toy.train
    for name in ("last-week", "last-week+kl"):
        assert method_named(name, 0.0).history(toy.train, toy.test).identical(toy.train.isel(time=slice(84, None)))
    for name in METHODS[:3]:
        assert method_named(name, 0.0).history(toy.train, toy.test) is None


def test_noise_reaches_the_estimators_that_are_told(toy):
    given = noisy(toy.routing.loads(toy.test), 0.1, seed=5)
    config = EstimationBenchmark(methods=("recency+kl",), noise=0.1, seed=5)
    soft = run(config, dataset=toy).rows[0].score.all
    exact = run(EstimationBenchmark(methods=("recency+kl",), noise=0.1, seed=5, assumed_noise=0.0), dataset=toy)
    expected = KLProjection(prior="history", noise=0.1).fit(toy.train).estimate(given, toy.routing)
    assert soft.nmae == pytest.approx(nmae(toy.test, expected))
    assert exact.rows[0].score.all.nmae != soft.nmae


def test_missing_counters_are_named(toy):
    found = run(EstimationBenchmark(methods=("gravity+kl",), missing_links=0.2, seed=1), dataset=toy)
    assert len(found.split.missing) == 2
    assert set(found.split.missing) < set(toy.routing.links)
    assert not any(link.startswith(("in:", "out:")) for link in found.split.missing)
    assert f"not measured (2): {', '.join(found.split.missing)}" in found.markdown()
    assert "20% of the internal counters missing" in found.title


def test_measured_loads_are_used_where_there_are_any(toy):
    demands = labels.demands(
        np.concatenate([toy.train.values, toy.test.values]),
        np.concatenate([toy.train.time.values, toy.test.time.values]),
        toy.routing.nodes,
        7200,
    )
    measured = toy.routing.loads(demands) * 1.5
    measured.attrs = toy.routing.loads(demands).attrs
    data = SimpleNamespace(**{**vars(toy), "loads": measured})
    found = run(EstimationBenchmark(methods=("gravity+kl",)), dataset=data)
    assert found.split.measured
    given = measured.sel(time=toy.test.time)
    expected = KLProjection(prior="gravity").estimate(given, toy.routing)
    assert found.rows[0].score.all.nmae == pytest.approx(nmae(toy.test, expected))


def test_intervals_cut_the_test_part(toy):
    found = run(EstimationBenchmark(methods=("gravity",), intervals=5), dataset=toy)
    assert found.rows[0].score.times == 5
    assert found.split.test == "5 intervals of 7200 s, 2026-01-19T00:00 to 2026-01-19T08:00 UTC"
    assert found.split.train.endswith("ends 0 days before the test part")


def test_same_seed_same_numbers(toy):
    config = EstimationBenchmark(methods=("gaussian", "gravity+kl"), noise=0.05, missing_links=0.1, seed=3)
    one, two = run(config, dataset=toy), run(config, dataset=toy)
    assert [row.score for row in one.rows] == [row.score for row in two.rows]


def test_progress_names_each_method(toy):
    said = []
    run(EstimationBenchmark(methods=("gravity", "mean+kl"), intervals=2), dataset=toy, progress=said.append)
    assert said == ["gravity", "mean+kl"]


def test_markdown_and_json_hold_the_same_numbers(result, tmp_path):
    result.to_markdown(tmp_path / "r.md")
    result.to_json(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    for row in found["rows"]:
        cells = [line.split(" | ") for line in text.splitlines() if line.startswith("|")]
        named = [line for line in cells if line[0].strip("| *").removesuffix(" (no loads used)") == row["method"]]
        found_tre = [float(line[1]) for line in named[:2]]
        score = row["score"]
        assert found_tre == pytest.approx([score[part]["tre"]["mean"] for part in ("all", "off_diagonal")], abs=6e-4)
    assert found["split"]["sha256"] == "0" * 64
    assert found["provenance"]["command"] == f"odflow.evaluate.estimation.run({EstimationBenchmark()}, dataset=...)"
    assert text.startswith("## toy, loads from the true TMs, no noise\n")
    assert "*oracle:previous+kl*" in text
    assert "last-week (no loads used)" in text
    tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(tables) == {12, 14}
    assert "- last-week (no loads used): mean TM of the last week of history" in text


def test_summary_has_a_column_per_result(result, toy):
    noise = run(EstimationBenchmark(methods=("gravity",), noise=0.05, assumed_noise=0.0), dataset=toy)
    lines = summary_table([result, noise]).splitlines()
    first, other = (part.row("gravity").score.all.tre.mean for part in (result, noise))
    assert lines[0] == "| mean TRE | 1 | 2 |"
    assert lines[2] == f"| gravity | {first:.3f} | {other:.3f} |"
    assert lines[3].endswith("| - |")
    assert lines[-1] == "2. toy, loads from the true TMs, 5% noise, estimators told 0%"


def test_terminal_table(result):
    console = Console(width=160)
    with console.capture() as capture:
        console.print(result.table())
    (line,) = [line for line in capture.get().splitlines() if "gravity+kl" in line]
    assert f"{result.row('gravity+kl').score.all.tre.mean:.3f}" in line


def test_row_of_a_method_that_was_not_run(result):
    with pytest.raises(UsageError, match="'magic' was not run"):
        result.row("magic")


def test_published_rows():
    rows = {row.method: row for row in published("geant")}
    assert (rows["DDPM-TME"].tre_mean, rows["WGAN-GP"].sre_mean, rows["FlowTM+"].tre_mean) == (0.359, 5.652, 0.256)
    assert {row.method: row.tre_mean for row in published("abilene")}["DDPM-TME"] == 0.196
    assert published("cmu") == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("magic",)}, "unknown method 'magic'; methods are gravity"),
        ({"methods": ()}, "no method"),
        ({"noise": -0.1}, "noise=-0.1 makes no sense"),
        ({"noise": float("nan")}, "noise=nan makes no sense"),
        ({"missing_links": 1.5}, r"missing_links=1.5 makes no sense; give a value from 0 to 1"),
        ({"assumed_noise": float("inf")}, "assumed_noise=inf"),
        ({"intervals": -1}, "intervals=-1"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_senseless_settings(options, message):
    with pytest.raises(UsageError, match=message):
        EstimationBenchmark(**options)


def test_unknown_data_set():
    with pytest.raises(UsageError, match="unknown data set 'internet'; there are abilene, geant"):
        named_dataset("internet")


def test_learned_methods_give_two_rows_each(toy):
    pytest.importorskip("torch")
    config = EstimationBenchmark(
        methods=("gaussian", "vae-tme"), intervals=4, weeks=1, seeds=(0, 3), training_steps=10, assumed_noise=0.0
    )
    told = []
    result = run(config, dataset=toy, progress=told.append)
    assert [row.method for row in result.rows] == ["gaussian", "vae-tme (own)", "vae-tme (projected)"]
    own, projected = result.row("vae-tme (own)"), result.row("vae-tme (projected)")
    assert len(own.by_seed) == len(projected.by_seed) == 2
    assert own.by_seed[0] != own.by_seed[1]
    assert own.score.all.tre.mean == pytest.approx(np.mean([part.all.tre.mean for part in own.by_seed]))
    assert own.score.all.residual.worst == pytest.approx(np.mean([part.all.residual.worst for part in own.by_seed]))
    assert projected.score.all.residual.mean < 1e-4 < own.score.all.residual.mean
    assert "trained on the last week without glitches" in own.words
    assert own.words.endswith("as it comes; steps 10")
    assert projected.words.endswith("projected onto the loads; steps 10")
    assert any("vae-tme, seed 3: step" in text for text in told)
    markdown = result.markdown()
    mean, spread = own.score.all.tre.mean, np.std([part.all.tre.mean for part in own.by_seed], ddof=1)
    assert f"| vae-tme (own) | {mean:.3f} ± {spread:.3f} |" in markdown
    again = run(
        EstimationBenchmark(methods=("vae-tme",), intervals=4, weeks=1, seeds=(3,), training_steps=10), dataset=toy
    )
    assert again.row("vae-tme (own)").score == own.by_seed[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ("ddpm",)}, "unknown method 'ddpm'.*ddpm-tme, vae-tme, wgan-tme"),
        ({"seeds": (1, 1)}, "different numbers"),
        ({"seeds": ()}, "one or more"),
        ({"weeks": -1}, "weeks=-1 makes no sense"),
    ],
)
def test_learned_options_that_make_no_sense(wrong, message):
    with pytest.raises(UsageError, match=message):
        EstimationBenchmark(**wrong)


def test_learned_methods_are_not_run_unasked():
    assert not set(METHODS) & {"ddpm-tme", "vae-tme", "wgan-tme"}


def test_means_with_their_spread() -> None:
    assert spread([0.5]) == "0.500"
    assert spread([0.4, 0.6]) == "0.500 ± 0.141"
    assert spread([4e-6, 6e-6]) == "5.00e-06 ± 1e-06"


def test_the_stack_has_a_mean_over_seeds(toy, monkeypatch):
    stack_config = of.StackConfig
    small = {"steps": 10, "snapshots": 8}
    monkeypatch.setattr(of.StackedEstimator, "configuration", lambda seed: stack_config(seed=seed, **small))
    (row,) = run(EstimationBenchmark(methods=("stacked",), seeds=(4, 5)), dataset=toy).rows
    loads = toy.routing.loads(toy.test)
    errors = []
    for seed in (4, 5):
        ours = of.StackedEstimator(config=stack_config(seed=seed, **small)).fit(toy.train, toy.routing)
        errors.append(float(tre(toy.test, ours.estimate(loads, toy.routing)).mean()))
    assert [score.all.tre.mean for score in row.by_seed] == pytest.approx(errors)
    assert row.score.all.tre.mean == pytest.approx(np.mean(errors))
    assert errors[0] != errors[1]
