"""counters, estimate and evaluate."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import odflow as of
from odflow.estimate.sureness import sureness
from odflow.traffic.files import read_demands, read_loads, write
from odflow.traffic.polling import simulate_polls


@pytest.fixture
def polled(files, traffic, diamond, diamond_routing):
    """polls.csv and map.csv of the day of loads.nc, polled exactly at the edges of its intervals."""
    loads = diamond_routing.loads(traffic[84:96])
    polls, interfaces, _ = simulate_polls(loads, network=diamond, period_s=7200, wraps=0.5, seed=1)
    polls.to_csv(files / "polls.csv", index=False)
    interfaces.to_csv(files / "map.csv", index=False)
    return files


def test_counters_give_the_loads_back(odflow, polled):
    command = ("counters", polled / "polls.csv", "-i", polled / "map.csv", "--interval", "2h", "-o", polled / "y.nc")
    ran = odflow(*command)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0].startswith(f"{polled}/y.nc: 18 links, 12 x 2 h from ")
    assert "quality  good 100.0 %" in ran.out
    found, true = read_loads(polled / "y.nc"), read_loads(polled / "loads.nc")
    np.testing.assert_allclose(found.sel(link=true["link"]), true, rtol=1e-6)
    facts = json.loads(odflow(*command, "--json").out)
    assert facts["quality"]["good"] == 12 * 18
    assert (facts["links"], facts["intervals"], facts["interval_s"]) == (18, 12, 7200.0)
    assert odflow(*command, "--quiet").out == ""


def test_counters_tell_what_is_missing(odflow, polled):
    polls = pd.read_csv(polled / "polls.csv")
    polls = polls[(polls["node"] != "c") | (polls.index % 5 > 2)]
    polls.to_csv(polled / "polls.csv", index=False)
    ran = odflow("counters", polled / "polls.csv", "-i", polled / "map.csv", "--interval", "2h", "-o", polled / "y.csv")
    assert ran.code == 0
    assert "not measured" in ran.out
    assert np.isnan(read_loads(polled / "y.csv").sel(link="ca")).any()


def test_faulty_polls_leave_no_output(odflow, polled):
    with (polled / "polls.csv").open("a") as file:
        file.write("2026-01-12,a,to-b,minus,5,7\n")
    ran = odflow("counters", polled / "polls.csv", "-i", polled / "map.csv", "-o", polled / "y.nc")
    assert ran.code == 2
    assert "polls.csv:" in ran.err
    assert ran.err.count("\n") == 1
    assert not (polled / "y.nc").exists()
    assert not list(polled.glob(".odflow-*"))


def run_estimate(odflow, files, *options):
    return odflow("estimate", files / "loads.nc", "--network", files / "net.graphml", "-o", files / "x.nc", *options)


def test_without_history_it_learns_from_the_loads(odflow, files, diamond_routing):
    ran = run_estimate(odflow, files)
    assert (ran.code, ran.err) == (0, "")
    loads = read_loads(files / "loads.nc")
    model = of.SimulatedPrior().fit(loads=loads, routing=diamond_routing)
    expected = model.estimate(loads, diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)
    assert ran.out.startswith(f"{files}/x.nc: 4 x 4 demands, 12 x 2 h, 2026-01-12 00:00 to 2026-01-13 00:00 UTC\n")
    words = " ".join(ran.out.split())
    assert "method SimulatedPrior total traffic" in words
    assert f"uncertainty errors of some {100 * model.expected_error:.1f} %" in words
    assert "Largest flows" in ran.out
    facts = json.loads(run_estimate(odflow, files, "--json").out)
    sure = sureness(model, loads, diamond_routing)
    assert facts["sure"]["share"] == pytest.approx(sure.share)
    for one, other, together in sure.pairs:
        assert [list(one), list(other), pytest.approx(together)] in facts["sure"]["pairs"]
        assert f"{'->'.join(one)} and {'->'.join(other)}, together" in ran.out


def test_gravity_where_the_network_is_too_large_for_moments(odflow, files, diamond_routing, monkeypatch):
    monkeypatch.setattr("odflow.cli.methods.MOST_NODES", 3)
    ran = run_estimate(odflow, files)
    assert "method         KLProjection\n" in ran.out
    assert "uncertainty" not in ran.out
    expected = of.KLProjection().estimate(read_loads(files / "loads.nc"), diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)


def test_moments_learn_from_the_loads(odflow, files, diamond_routing):
    ran = run_estimate(odflow, files, "--method", "moments")
    assert (ran.code, ran.err) == (0, "")
    loads = read_loads(files / "loads.nc")
    model = of.MomentPosterior().fit(loads=loads, routing=diamond_routing)
    expected = model.estimate(loads, diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)
    words = " ".join(ran.out.split())
    assert "method MomentPosterior total traffic" in words
    assert f"uncertainty errors of some {100 * model.expected_error:.1f} %" in words
    ran = run_estimate(odflow, files, "--method", "moments", "--history", files / "history.nc")
    assert (ran.code, "--method moments uses no history" in ran.err) == (2, True)


def test_quantiles_without_history(odflow, files, diamond_routing):
    ran = run_estimate(odflow, files, "--method", "moments", "--quantiles", ".05,.95")
    assert (ran.code, ran.err) == (0, "")
    loads = read_loads(files / "loads.nc")
    expected = of.MomentPosterior().quantiles(loads, diamond_routing, (0.05, 0.95))
    found = read_demands(files / "x.quantiles.nc")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1.0)
    assert float((found[1] - found[0]).mean()) > 0


def test_what_can_be_saved_is_what_was_best_on_the_history(odflow, files, diamond_routing, traffic):
    arguments = ("--history", files / "history.nc", "--save-model", files / "m.safetensors")
    ran = run_estimate(odflow, files, *arguments)
    assert (ran.code, ran.err) == (0, "")
    choice = of.choose(traffic[:84], diamond_routing)
    expected = choice.estimator.estimate(read_loads(files / "loads.nc"), diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)
    assert f"{type(choice.estimator).__name__}, with history until 2026-01-12 00:00" in ran.out
    errors = ", ".join(f"{name} {100 * tre:.1f} %" for name, tre in choice.errors.items())
    assert f"relative error on the last weeks of the history: {errors}" in " ".join(ran.out.split())
    assert (files / "m.safetensors").exists()
    facts = json.loads(run_estimate(odflow, files, *arguments, "--json").out)
    assert facts["tried"] == pytest.approx(choice.errors)
    ran = run_estimate(odflow, files, "--history", files / "history.nc", "--method", "gaussian")
    assert "GaussianPosterior" in ran.out
    assert "tried" not in ran.out


TAKEN = {
    "as it is": (lambda x: x, "taken {best} alone; the loads agree with it"),
    "half changed": (
        lambda x: np.concatenate([x[:, :2], 6 * x[:, 2:]], axis=1),
        "mean of {shares}; the history does not fit the loads well",
    ),
    "another network's": (lambda x: x[:, ::-1], "taken simulated-prior alone; the history does not fit the loads"),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_history_and_the_loads(odflow, files, diamond_routing, traffic, what):
    change, said = TAKEN[what]
    past = traffic[:84].copy(data=change(traffic.values[:84]))
    write(past, files / "history.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc", "--method", "loads-and-history")
    assert (ran.code, ran.err) == (0, "")
    loads = read_loads(files / "loads.nc")
    model = of.LoadsAndHistory().fit(past, diamond_routing, loads=loads)
    expected = model.estimate(loads, diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)
    assert "LoadsAndHistory, with history until 2026-01-12 00:00" in ran.out
    shares = ", ".join(f"{100 * share:.1f} % {name}" for name, share in model.shares.items())
    assert said.format(best=model.choice_.method, shares=shares) in " ".join(ran.out.split())
    assert f"errors of some {100 * model.expected_error:.1f} % of the traffic, judging by the history" in ran.out


def test_loads_and_history_needs_a_history_and_is_not_saved(odflow, files):
    ran = run_estimate(odflow, files, "--method", "loads-and-history")
    assert (ran.code, "learns from past traffic matrices; give --history" in ran.err) == (2, True)
    saved = ("--method", "loads-and-history", "--save-model", files / "m.safetensors")
    assert run_estimate(odflow, files, "--history", files / "history.nc", *saved).code == 2
    assert not (files / "m.safetensors").exists()


@pytest.mark.parametrize("past", [54, 84])  # ends two days and a half before, or right before
def test_a_history_is_helped_by_the_loads(odflow, files, diamond_routing, traffic, past):
    write(traffic[:past], files / "history.nc")
    loads = read_loads(files / "loads.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc")
    assert (ran.code, ran.err) == (0, "")
    expected = of.LoadsAndHistory().fit(traffic[:past], diamond_routing, loads=loads).estimate(loads, diamond_routing)
    np.testing.assert_allclose(read_demands(files / "x.nc"), expected, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize(("intervals", "both"), [(5, False), (6, True)])  # of two hours
def test_half_a_day_of_loads_is_enough_for_that(odflow, files, intervals, both):
    write(read_loads(files / "loads.nc")[:intervals], files / "loads.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc")
    assert (ran.code, "LoadsAndHistory" in ran.out) == (0, both)


def test_a_single_past_matrix_will_do(odflow, files, traffic):
    write(traffic[83:84], files / "history.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc")
    assert (ran.code, ran.err) == (0, "")
    assert "KLProjection, with history" in ran.out


def test_summary_as_json(odflow, files, traffic):
    facts = json.loads(run_estimate(odflow, files, "--history", files / "history.nc", "--json", "--top", 2).out)
    total = traffic[84:96].sum(("origin", "destination"))
    assert facts["total_mean"] == pytest.approx(float(total.mean()), rel=1e-2)
    assert facts["total_peak"] == pytest.approx(float(total.max()), rel=1e-2)
    assert facts["link_residual"] < 1e-3
    assert facts["not_measured"] == 0
    assert (facts["nodes"], facts["intervals"], facts["history_end"]) == (4, 12, "2026-01-12 00:00")
    assert len(facts["top"]) == 2
    assert facts["top"][0]["mean"] >= facts["top"][1]["mean"]
    assert facts["warnings"] == []


def test_quantiles_beside_the_estimate(odflow, files):
    ran = run_estimate(odflow, files, "--history", files / "history.nc", "--quantiles", ".05,.5", "--quantiles", ".95")
    assert ran.code == 0
    assert f"quantiles in {files}/x.quantiles.nc" in ran.out
    found = read_demands(files / "x.quantiles.nc")
    assert found.dims == ("quantile", "time", "origin", "destination")
    assert found["quantile"].values.tolist() == [0.05, 0.5, 0.95]
    assert (found.diff("quantile") >= 0).all()


def test_saved_models_give_the_same_again(odflow, files):
    assert (
        run_estimate(odflow, files, "--history", files / "history.nc", "--save-model", files / "m.safetensors").code
        == 0
    )
    first = read_demands(files / "x.nc")
    ran = run_estimate(odflow, files, "--model", files / "m.safetensors")
    assert "StackedEstimator, with history until 2026-01-12 00:00" in ran.out
    np.testing.assert_array_equal(read_demands(files / "x.nc"), first)


@pytest.mark.parametrize(("shift", "text"), [(8, "history ends 8 days before"), (-1, "reaches beyond the start")])
def test_old_and_too_new_histories_are_warned_of(odflow, files, traffic, shift, text):
    history = traffic[:84]
    write(history.assign_coords(time=history["time"] - np.timedelta64(shift, "D")), files / "history.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc", "--quiet")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("odflow: warning: the history ")
    assert text in ran.err
    assert ran.err.count("\n") == 1


def test_known_demands(odflow, files, traffic):
    known = traffic[84:96].where(traffic["origin"] == "a")
    write(known, files / "known.nc")
    assert run_estimate(odflow, files, "--known", files / "known.nc").code == 0
    found, true = read_demands(files / "x.nc"), traffic[84:96]
    np.testing.assert_allclose(found.sel(origin="a"), true.sel(origin="a"), rtol=1e-2)


def test_missing_links(odflow, files):
    loads = read_loads(files / "loads.nc")
    write(loads.drop_sel(link=["bd", "in:c"]), files / "loads.nc")
    ran = run_estimate(odflow, files)
    assert ran.code == 2
    assert "loads lack link 'bd', 'in:c'; --missing nan treats what is absent as not measured" in ran.err
    assert not (files / "x.nc").exists()
    ran = run_estimate(odflow, files, "--missing", "nan")
    assert ran.code == 0
    assert "not measured 11.1 % of the load values" in " ".join(ran.out.split())


def test_links_of_another_network(odflow, files):
    loads = read_loads(files / "loads.nc")
    write(loads.assign_coords(link=[f"{name}!" for name in loads["link"].values]), files / "loads.nc")
    for missing in ("raise", "nan"):
        ran = run_estimate(odflow, files, "--missing", missing)
        assert ran.code == 2
        assert "that the routing does not know" in ran.err


def test_units_of_a_table(odflow, files, traffic):
    loads = read_loads(files / "loads.nc")
    table = loads.copy(data=loads / 1e6).transpose("time", "link").to_pandas()
    table.to_csv(files / "loads.csv")
    command = ("estimate", files / "loads.csv", "-n", files / "net.graphml", "-o", files / "x.nc", "--json")
    facts = json.loads(odflow(*command, "--unit", "Mbit/s").out)
    assert facts["total_mean"] == pytest.approx(float(traffic[84:96].sum(("origin", "destination")).mean()), rel=1e-2)
    assert odflow(*command, "--unit", "furlong").code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--routing", "routing.csv"), "not both"),
        (("--method", "gaussian"), "give --history, or use --method kl"),
        (("--method", "gravity", "--history", "history.nc"), "uses no history"),
        (
            ("--quantiles", ".5", "--method", "kl"),
            "only --method moments, simulated-prior, gaussian, student-t, loads-and-history, stacked, "
            "diffusion-posterior, stacked-pretrained, diffusion-pretrained give quantiles; leave",
        ),
        (("--model", "m.safetensors", "--method", "kl"), "--model is fitted already"),
        (("--model", "net.graphml"), "net.graphml"),
        (("--noise", "-1"), "noise"),
        (("--history", "nothing.nc"), "nothing.nc"),
        (("--history", "history.nc", "--quantiles", "2"), "between 0 and 1"),
        (("--save-model", "x.nc"), "suffix"),
        (("--known", "history.nc"), "time"),
    ],
)
def test_combinations_that_make_no_sense(odflow, files, options, message, monkeypatch):
    monkeypatch.chdir(files)
    ran = run_estimate(odflow, files, *options)
    assert ran.code == 2
    assert ran.out == ""
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not (files / "x.nc").exists()


def test_neither_network_nor_routing(odflow, files):
    ran = odflow("estimate", files / "loads.nc", "-o", files / "x.nc")
    assert (ran.code, ran.err) == (2, "odflow: error: give either --network NET or --routing FILE\n")


def test_an_output_that_is_an_input_is_refused_before_reading(odflow, files):
    ran = odflow("estimate", files / "missing.nc", "-n", files / "net.graphml", "-o", files / "missing.nc")
    assert "is also an input" in ran.err


def test_a_corrupted_counter_is_named(odflow, files, traffic, diamond_routing):
    loads = read_loads(files / "loads.nc")
    loads.loc[{"link": "cd"}] *= 3
    write(loads, files / "loads.nc")
    ran = run_estimate(odflow, files, "--history", files / "history.nc", "--noise", "0.01", "--json")
    assert "odflow: warning: suspicious counter 'cd'" in ran.err
    assert any("'cd'" in text for text in json.loads(ran.out)["warnings"])


def test_evaluate(odflow, files, traffic):
    run_estimate(odflow, files)
    command = ("evaluate", files / "truth.nc", files / "x.nc")
    facts = json.loads(odflow(*command, "--json").out)
    true, found = traffic[84:96].values, read_demands(files / "x.nc").values
    expected = (np.abs(true - found).sum((1, 2)) / true.sum((1, 2))).mean()
    assert facts["all"]["tre"]["mean"] == pytest.approx(expected, rel=1e-9)
    ran = odflow(*command, "--loads", files / "loads.nc", "--routing", files / "routing.csv")
    assert (ran.code, ran.err) == (0, "")
    assert "TRE" in ran.out
    assert "link residual" in ran.out
    ran = odflow(*command, "--loads", files / "loads.nc")
    assert ran.code == 2
    assert "give both or neither" in ran.err


def test_evaluate_names_times_that_differ(odflow, files):
    ran = odflow("evaluate", files / "truth.nc", files / "history.nc")
    assert ran.code == 2
    assert "times differ" in ran.err


def test_noise_comes_from_the_contradictions(odflow, files, diamond_routing):
    from odflow.evaluate.perturb import noisy

    measured = noisy(read_loads(files / "loads.nc"), 0.03, seed=2)
    write(measured, files / "noisy.nc")
    level = of.noise_level(measured, diamond_routing)
    command = ["estimate", files / "noisy.nc", "-n", files / "net.graphml", "-o", files / "tm.nc"]
    ran = odflow(*command)
    assert (ran.code, ran.err) == (0, "")
    assert f"noise {100 * level:.1f} % of each load is allowed for" in " ".join(ran.out.split())
    ours = of.SimulatedPrior(noise=level).estimate(measured, diamond_routing)
    np.testing.assert_allclose(read_demands(files / "tm.nc"), ours, rtol=1e-9)
    assert json.loads(odflow(*command, "--json").out)["noise"] == pytest.approx(level)
    assert json.loads(odflow(*command, "--json", "--noise", 0.2).out)["noise"] == 0.2
    shuffled = measured.copy(data=np.random.default_rng(0).permuted(measured.values, axis=1))
    write(shuffled, files / "noisy.nc")
    ran = odflow(*command, "--method", "gravity")
    assert "the loads contradict each other by" in ran.err
