"""Requirements and verdict from made-up numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from benchmarks.ddpm_tme.checks import checks, verdict
from benchmarks.ddpm_tme.collect import Found
from benchmarks.ddpm_tme.jobs import Job
from benchmarks.ddpm_tme.settings import Settings
from benchmarks.ddpm_tme.tables import ablation_table, cost_table, drift, paper_table, windows_table

from odflow.evaluate.estimation import EstimationBenchmark, run
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

NAN = float("nan")


@pytest.fixture(scope="module")
def classical(diamond, diamond_routing):
    demands = plausible_traffic(diamond, PlausibleTraffic(weeks=3, interval="2h"), seed=1)
    data = SimpleNamespace(
        name="abilene", sha256="0" * 64, train=demands[:168], test=demands[168:], routing=diamond_routing, loads=None
    )
    methods = ("mean+kl", "last-week+kl", "gaussian")
    return {"abilene": run(EstimationBenchmark(methods=methods), dataset=data)}


def part(tre, sre):
    stats = {"mean": tre, "median": tre, "std": 0.1, "max": 2 * tre}
    return {
        "tre": stats,
        "sre": stats | {"mean": sre, "median": sre / 2},
        "rmse": {key: 1e7 * value for key, value in stats.items()},
        "nmae": tre,
        "residual": {"mean": 0.01},
    }


def estimated(tre, sre=0.4, *, projected=None, total_s=600.0, train_s=300.0):
    own, end = part(tre, sre), part(tre if projected is None else projected, sre)
    return {
        "scores": {"own": {"all": own, "off_diagonal": own}, "projected": {"all": end, "off_diagonal": end}},
        "training": {"seconds": train_s, "steps": 4000, "parameters": 1_500_000, "peak_mib": 700.0},
        "costs": {
            **{"starts_s": 10.0, "optimise_s": total_s - 11.0, "project_s": 1.0, "steps": 100},
            **{"batch": 256, "peak_mib": 900.0, "step_s": (total_s - 11.0) / 100, "total_s": total_s},
        },
        "threads": 1,
    }


def synthesised(diffusion, vae, wgan):
    """Losses on all measures but `nearest`; the floor has 1."""

    def row(name, kind, loss):
        keys = ("wasserstein", "wasserstein_by_flow", "correlation", "frechet", "mmd", "auc")
        scores = {**dict.fromkeys(keys, loss), "nearest": 1.0}
        return {"generator": name, "words": "", "kind": kind, "scores": [scores], "fit_s": None, "sample_s": 1.0}

    named = {"diffusion": diffusion, "vae": vae, "wgan-gp": wgan}
    rows = [row("real, random halves", "floor", 1.0), *(row(name, "generator", x) for name, x in named.items())]
    compared = {"dataset": "abilene", "sha256": "", "history": "", "tms": 9, "left_out": 0, "samples": 5, "axes": 2}
    origin = {"command": "", "date": "", "seed": 0, "odflow": "", "commit": "", "python": "", "libraries": {}}
    return {
        "result": {
            "config": {"dataset": "abilene", "seeds": [0]},
            "compared": {**compared, "share": 0.9},
            "rows": rows,
            "provenance": {**origin, "system": "", "cpu": "", "cpus": 2},
        },
        "training": {key: {"seconds": 1000.0, "steps": 1, "parameters": 1, "peak_mib": None} for key in named},
    }


def found(classical, results):
    settings = Settings(datasets=("abilene",), window_weeks=(1, 2))
    return Found(settings, {Job("abilene", *key): value for key, value in results.items()}, classical)


def by_text(found_now):
    return {check.text: check for check in checks(found_now)}


def test_published_errors_need_three_seeds(classical):
    results = {("ddpm-tme", 0, seed): estimated(tre, sre=0.6) for seed, tre in enumerate((0.18, 0.19, 0.2))}
    results |= {("vae-tme", 0, 0): estimated(0.5), ("wgan-tme", 0, 0): estimated(0.3)}
    all_checks = by_text(found(classical, results))
    tre = all_checks["Abilene, ddpm-tme, own estimate: mean TRE at or below the published 0.196"]
    assert (tre.met, tre.detail) == (True, "0.190 ± 0.010, 3 seeds")
    assert tre.line().startswith("- met: Abilene")
    sre = all_checks["Abilene, ddpm-tme, own estimate: mean SRE at or below the published 0.487"]
    assert sre.met is False
    assert sre.line().startswith("- **missed**: ")
    vae = all_checks["Abilene, vae-tme, own estimate: mean TRE at or below the published 0.841"]
    assert (vae.met, vae.detail) == (None, "0.500; 1 of 3 seeds")
    assert vae.line().startswith("- *not decided*: Abilene, vae-tme")
    assert all_checks["Abilene, wgan-tme, own estimate: mean TRE at or below the published 0.248"].met is False


def test_own_estimates_count_not_projected_ones(classical):
    results = {("ddpm-tme", 0, seed): estimated(0.25, projected=0.1) for seed in range(3)}
    check = by_text(found(classical, results))[
        "Abilene, ddpm-tme, own estimate: mean TRE at or below the published 0.196"
    ]
    assert check.met is False


def test_windows_and_costs(classical):
    methods = ("ddpm-tme", "vae-tme", "wgan-tme")
    results = {(m, k, 0, "alike"): estimated(0.2) for m in methods for k in (0, 1, 2)}
    results |= {(m, 0, 0): estimated(0.2) for m in methods}
    all_checks = by_text(found(classical, results))
    windows = all_checks["Abilene: 3 methods x 3 lengths of history, own and projected"]
    assert (windows.met, windows.detail) == (True, "9 of 9 trained")
    assert all_checks["Abilene: ddpm-tme estimates the week in less than 30 minutes"].met is True
    text = "Abilene: each model in its CPU-sized configuration trains in less than 15 minutes"
    assert all_checks[text].detail == "longest 5.0 min, ddpm-tme"
    results[("ddpm-tme", 0, 1)] = estimated(0.2, total_s=1801.0, train_s=901.0)
    del results[("vae-tme", 2, 0, "alike")]
    all_checks = by_text(found(classical, results))
    assert all_checks["Abilene: 3 methods x 3 lengths of history, own and projected"].met is None
    assert all_checks["Abilene: ddpm-tme estimates the week in less than 30 minutes"].met is False
    assert all_checks[text].met is False


def test_synthesis(classical):
    all_checks = by_text(found(classical, {("synthesis", 0, 0): synthesised(1.9, 2.0, 1.5)}))
    vae = all_checks["Abilene, synthesis: diffusion better than vae on at least 5 of the 6 measures"]
    assert (vae.met, vae.detail) == (True, "5; not on nearest")
    assert all_checks["Abilene, synthesis: diffusion better than wgan-gp on at least 5 of the 6 measures"].met is False
    floor = all_checks["Abilene, synthesis: per-flow Wasserstein of the diffusion within 2 x real against real"]
    assert (floor.met, floor.detail) == (True, "1.90 x")
    text = "Abilene: each model in its CPU-sized configuration trains in less than 15 minutes"
    assert all_checks[text].detail == "longest 16.7 min, diffusion (synthesis)"


def test_nothing_run_is_nothing_claimed(classical):
    empty = found(classical, {})
    assert {check.met for check in checks(empty)} == {None}
    assert verdict(empty).startswith("Abilene: DDPM-TME was not run.")
    assert "not run" in paper_table(empty, "abilene")
    assert drift(empty, "abilene") == ""
    assert ablation_table(empty).count("*not run*") == 16


def test_verdict_compares_with_what_learns_nothing(classical):
    gaussian = classical["abilene"].row("gaussian").score.all.tre.mean
    results = {("ddpm-tme", 0, seed): estimated(0.5, projected=1.25 * gaussian) for seed in range(3)}
    text = verdict(found(classical, results))
    assert "25.0 % worse than gaussian" in text
    assert "3 seeds" in text
    results |= {("ddpm-tme", 2, 0, "alike"): estimated(0.5, projected=0.9 * gaussian)}
    text = verdict(found(classical, results))
    assert "Trained on the last 2 weeks alone" in text
    assert "10.0 % better than gaussian" in text


def test_tables_hold_the_numbers(classical):
    results = {("ddpm-tme", 0, seed): estimated(0.1 * (seed + 1), projected=0.05) for seed in range(3)}
    results |= {("ddpm-tme", 1, 0, "alike"): estimated(0.1), ("ddpm-tme", 0, 0, "alike"): estimated(0.4)}
    results |= {("ddpm-tme", 0, 0, "no-prior"): estimated(0.7)}
    now = found(classical, results)
    lines = paper_table(now, "abilene").splitlines()
    ours = next(line for line in lines if line.startswith("| DDPM-TME, ours, own |")).split(" | ")
    assert ours[1] == "2.000 ± 1.000"  # RMSE in Mbit/s
    assert ours[9] == "0.200 ± 0.100"
    printed = next(line for line in lines if line.startswith("| DDPM-TME, published |"))
    assert printed == "| DDPM-TME, published | (0.0312) | - | - | - | 0.487 | 0.380 | - | - | 0.196 | - | - | 0.318 |"
    windows = windows_table(now).splitlines()
    spans = ("last week", "last 2", "all weeks alike", "all weeks by age")
    assert windows[0] == f"| method | {' | '.join(f'Abilene, {span}' for span in spans)} |"
    assert "| ddpm-tme, own | 0.100 | *not run* | 0.400 | 0.200 ± 0.100 |" in windows
    text = "ddpm-tme own: 75.0 % lower with the last week than with all alike, 50.0 % lower with all by age"
    assert text in drift(now, "abilene")
    assert "| no-prior (prior 0.0) | 0.700 | 0.700 | 0.400 | 589.0 |" in ablation_table(now)
    costs = cost_table(now)
    assert (
        "| ddpm-tme | Abilene | CPU-sized | 1.50 M | 4,000 | 300 | 700 | 10.0 | 5.89 | 256 | 589 | 1.0 | 10.0 |"
        in costs
    )
    assert "| 53 | 144 |" in costs
