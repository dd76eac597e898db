"""The synthesis benchmark on a small network, with made-up generators."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from odflow import labels
from odflow.cli import main
from odflow.errors import DataError, UsageError
from odflow.evaluate.synthesis import SynthesisBenchmark, run
from odflow.evaluate.synthesis_metrics import classifier_auc, frechet, relative_wasserstein
from odflow.evaluate.synthesis_real import RealTMs, floor_of_days, floor_of_halves, score_synthesis
from odflow.evaluate.synthesis_result import MEASURES, SynthesisRow, SynthesisScore
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

NODES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class FakeConfig:
    """As a generator's configuration."""

    seed: int = 0
    device: str = "cpu"
    steps: int = 4000
    epochs: int = 0
    width: int = 8

    @classmethod
    def full(cls):
        return cls(epochs=100, width=64)


class Fake:
    """Draws TMs of the history times `factor`; `factor` is 1 + 1 / steps. Nodes come out in another order."""

    def __init__(self, config: FakeConfig) -> None:
        self.config = config

    def fit(self, history, *, progress=None, command=""):
        self.history, self.command = history, command
        progress(1, self.config.steps, {"loss": 0.25})
        return self

    def sample(self, n, *, seed=0):
        chosen = np.random.default_rng((seed, self.config.seed)).integers(self.history.sizes["time"], size=n)
        values = self.history.values[chosen] * (1 + 1 / self.config.steps)
        times = np.datetime64("2030-01-01") + np.arange(n) * np.timedelta64(1, "h")
        return labels.demands(values, times, NODES, 7200.0)[:, ::-1, ::-1]


def fitted(factor, history, seeds):
    return [Fake(FakeConfig(steps=factor, seed=s)).fit(history, progress=lambda *_: None) for s in seeds]


@pytest.fixture(scope="module")
def toy(diamond, diamond_routing):
    """Four weeks of the diamond, three of them history."""
    demands = plausible_traffic(diamond, PlausibleTraffic(weeks=4, interval="2h"), seed=1)
    return SimpleNamespace(
        name="toy", sha256="0" * 64, train=demands[:252], test=demands[252:], routing=diamond_routing, loads=None
    )


@pytest.fixture(scope="module")
def result(toy):
    seeds = (0, 1, 5)
    models = {"diffusion": fitted(1000, toy.train, seeds), "vae": fitted(2, toy.train, seeds)}
    config = SynthesisBenchmark(generators=("diffusion", "vae"), seeds=seeds)
    return run(config, dataset=toy, models=models)


def test_rows_and_what_was_compared(result):
    assert [row.generator for row in result.rows] == [
        *("real, random halves", "real, alternating days", "resample", "gaussian-copula", "diffusion", "vae")
    ]
    assert [row.kind for row in result.rows] == ["floor"] * 2 + ["rival"] * 2 + ["generator"] * 2
    assert all(len(row.scores) == 3 for row in result.rows)
    compared = result.compared
    assert (compared.samples, compared.tms, compared.left_out) == (120, 252, 0)  # ten of 21 days are odd
    assert compared.history == "252 intervals of 7200 s, 2026-01-05T00:00 to 2026-01-25T22:00 UTC"
    assert result.row("diffusion").words == "Fake, steps 1000"


def test_the_better_generator_wins(result):
    assert set(result.better("diffusion", "vae")) >= {"wasserstein", "frechet", "mmd", "auc"}
    assert len(result.better("diffusion", "vae")) + len(result.better("vae", "diffusion")) == 6
    assert result.row("vae").mean("wasserstein") == pytest.approx(0.5, abs=0.06)
    assert result.above_floor("vae") > 5
    assert result.above_floor("diffusion") < 2
    assert result.above_floor("real, random halves") == 1
    with pytest.raises(UsageError, match="'magic' was not run; there are real, random halves"):
        result.row("magic")


def test_copies_are_found_and_floors_are_small(result):
    assert result.row("diffusion").mean("nearest") < 0.1
    assert result.row("resample").mean("nearest") < 0.4
    halves = result.row("real, random halves")
    assert halves.mean("auc") == pytest.approx(0.54, abs=0.05)
    assert abs(halves.mean("mmd")) < 0.01
    assert 0.5 < halves.mean("nearest") < 1.2
    assert 0.6 < result.row("real, alternating days").mean("nearest") < 1.4


def test_scores_are_those_of_the_measures(toy):
    real = RealTMs.of(toy.train)
    synthetic = real.values[60:120] * 1.2
    score = score_synthesis(real, synthetic, seed=4)
    rows, others = real.random_parts(60, 4)
    assert len(set(rows) | set(others)) == 120
    drawn = real.values[rows]
    assert (score.wasserstein, score.wasserstein_by_flow) == relative_wasserstein(drawn, synthetic)
    assert score.frechet == frechet(drawn, synthetic, real.space)
    assert score.auc == 0.5 + abs(classifier_auc(drawn, synthetic, seed=4) - 0.5)
    assert score_synthesis(real, synthetic, seed=4) == score
    with pytest.raises(DataError, match="200 synthetic TMs for 252 real ones"):
        score_synthesis(real, np.ones((200, 16)))


def test_floors_use_disjoint_tms_and_whole_days(toy):
    real = RealTMs.of(toy.train)
    one, other = real.daily_parts(100, 0)
    assert set(real.day[one] % 2) == {0}
    assert set(real.day[other] % 2) == {1}
    assert len(set(one)) == len(set(other)) == 100
    assert floor_of_days(real, 100) != floor_of_halves(real, 100)
    assert floor_of_halves(real, 100, seed=2) == floor_of_halves(real, 100, seed=2)
    assert floor_of_halves(real, 100).nearest > 0.3  # nobody is its own neighbour


def test_glitches_and_gaps_are_left_out(toy):
    spoilt = toy.train.copy(deep=True)
    spoilt[3, 0, 1] = np.nan
    spoilt[5] *= 1e6
    valid = np.ones(252, dtype=bool)
    valid[5] = False
    real = RealTMs.of(spoilt.assign_coords(valid=("time", valid)))
    assert real.left_out == 2
    np.testing.assert_array_equal(real.values, np.delete(toy.train.values.reshape(252, 16), [3, 5], axis=0))
    np.testing.assert_array_equal(np.bincount(real.day), [10, *[12] * 20])


@pytest.mark.parametrize("times", [36, 90])
def test_a_history_that_is_too_short(toy, times):
    with pytest.raises(DataError, match="are too few"):
        RealTMs.of(toy.train[:times])


def test_generators_are_trained_for_each_seed(toy, monkeypatch):
    made = []

    class Recorded(Fake):
        def __init__(self, config):
            super().__init__(config)
            made.append(self)

    home = SimpleNamespace(TrafficVAE=Recorded, VAEConfig=FakeConfig)
    monkeypatch.setitem(sys.modules, "odflow.generate", home)
    said = []
    config = SynthesisBenchmark(generators=("vae",), rivals=(), weeks=2, seeds=(3, 8), steps=7, full=True)
    found = run(config, dataset=toy, progress=said.append)
    assert [model.config for model in made] == [FakeConfig(seed=s, steps=7, width=64) for s in (3, 8)]
    xr.testing.assert_identical(made[0].history, toy.train[84:])
    assert "vae, seed 8: step 1 of 7; loss 0.25" in said
    assert said[:3] == [
        "real TMs among themselves, seed 3",
        "real TMs among themselves, seed 8",
        "vae, seed 3: training",
    ]
    assert found.compared.tms == 168
    assert found.title == "toy, last 2 weeks, 2 seeds"
    assert found.row("vae").fit_s >= 0
    assert "command: `odflow.evaluate.synthesis.run(" in found.markdown()


def test_same_seed_same_numbers(toy):
    config = SynthesisBenchmark(generators=(), samples=60, seeds=(2,))
    one, two = run(config, dataset=toy), run(config, dataset=toy)
    assert [row.scores for row in one.rows] == [row.scores for row in two.rows]


def test_markdown_and_json_hold_the_same_numbers(result, tmp_path):
    result.to_markdown(tmp_path / "r.md")
    result.to_json(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("## toy, all training weeks, 3 seeds\n")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    for row in found["rows"]:
        cells = next(line for line in lines if line[0].strip("*") == row["generator"])
        means = [np.mean([score[name] for score in row["scores"]]) for name in ("wasserstein", "auc", "nearest")]
        assert [float(cells[k].split(" ± ")[0]) for k in (1, 6, 7)] == pytest.approx(means, abs=6e-4)
        spread = np.std([score["mmd"] for score in row["scores"]], ddof=1)
        assert float(cells[5].split(" ± ")[1]) == pytest.approx(1e3 * spread, abs=6e-3)
    wins = next(line for line in lines if line[0] == "diffusion" and len(line) == 5)
    assert wins[4] == str(len(found["better"]["diffusion"]["vae"]))
    assert found["above_floor"]["vae"] == pytest.approx(result.above_floor("vae"))
    assert found["compared"]["sha256"] == "0" * 64
    assert "scikit-learn" in found["provenance"]["libraries"]
    assert "- *real, alternating days*: training TMs of every second day" in text


def test_terminal_table(result):
    console = Console(width=110)
    with console.capture() as capture:
        console.print(result.table())
    (line,) = [line for line in capture.get().splitlines() if "gaussian-copula" in line]
    assert f"{result.row('gaussian-copula').mean('wasserstein'):.4f}" in line


def test_losses_rank_by_distance_from_the_ideal():
    def row(nearest):
        return SynthesisRow("x", "", "generator", (SynthesisScore(0, 0, 0, 0, -0.1, 0.6, nearest),))

    assert row(2.0).loss("nearest") == pytest.approx(row(0.5).loss("nearest"))
    assert row(1.0).loss("nearest") == 0
    assert row(0.0).loss("nearest") == np.inf
    assert (row(1).loss("mmd"), row(1).loss("auc")) == (-0.1, 0.6)
    assert len(MEASURES) == 6


def test_models_for_each_seed(toy):
    with pytest.raises(UsageError, match="1 models of 'vae' for 2 seeds"):
        run(SynthesisBenchmark(seeds=(0, 1)), dataset=toy, models={"vae": fitted(2, toy.train, (0,))})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generators": ("magic",)}, "unknown generator 'magic'; generators are diffusion, vae, wgan-gp"),
        ({"rivals": ("magic",)}, "unknown rival 'magic'; rivals are resample"),
        ({"generators": ("vae", "vae")}, "name each only once"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"seeds": (-1,)}, "seeds"),
        ({"samples": 10}, "samples=10; compare at least 50"),
        ({"weeks": -1}, "weeks=-1"),
        ({"steps": -1}, "steps=-1"),
    ],
)
def test_senseless_settings(options, message):
    with pytest.raises(UsageError, match=message):
        SynthesisBenchmark(**options)


def test_command_line(capsys, monkeypatch, toy, tmp_path):
    monkeypatch.setattr("odflow.evaluate.synthesis.named_dataset", lambda name: toy)
    file = tmp_path / "r.json"
    words = ["--generators", "--rivals", "resample", "--seeds", "4", "6", "--samples", "60", "--json", str(file)]
    assert main(["benchmark", "synthesis", *words]) == 0
    assert "real, random halves" in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert [row["generator"] for row in found["rows"]][2:] == ["resample"]
    expected = "odflow benchmark synthesis --generators --rivals resample --samples 60 --seeds 4 6"
    assert found["provenance"]["command"] == expected


@pytest.mark.parametrize(
    ("options", "message"), [(("--generators", "magic"), "magic"), (("--samples", "3"), "samples=3")]
)
def test_command_line_that_makes_no_sense(capsys, options, message):
    assert main(["benchmark", "synthesis", *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
