"""Inversion of decoders whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # matrices are small here: threads only get into each other's way

from odflow.errors import UsageError  # noqa: E402
from odflow.estimate.descent import Descent, Operator, padded  # noqa: E402
from odflow.estimate.inversion import (  # noqa: E402
    InversionConfig,
    decode_starts,
    invert,
    nearest_starts,
    starting_noise,
)
from odflow.network.routing import Routing  # noqa: E402

SHAPE = (3, 8)
CONFIG = InversionConfig(starts=20, steps=60, block=16)


def decoder(flows: int, seed: int = 0):
    """Linear in all noises of a chain of three, later ones weigh more; positive around 0."""
    rng = torch.Generator().manual_seed(seed)
    W = 0.05 * torch.randn(SHAPE[0] * SHAPE[1], flows, generator=rng)
    W *= torch.arange(1.0, 4.0).repeat_interleave(SHAPE[1])[:, None]
    base = 1 + torch.rand(flows, generator=rng)

    def decode(noise: torch.Tensor) -> torch.Tensor:
        return base + noise.flatten(1) @ W

    return decode


@pytest.fixture(scope="module")
def A(diamond_routing: Routing):  # noqa: N802
    return diamond_routing.matrix


@pytest.fixture(scope="module")
def decode(A):
    return decoder(A.shape[1])


@pytest.fixture(scope="module")
def loads(A, decode) -> np.ndarray:
    """Of 21 TMs that the decoder can make."""
    noise = torch.randn((21, *SHAPE), generator=torch.Generator().manual_seed(7))
    return (A @ decode(noise).double().numpy().T).T


def off(A, x: np.ndarray, loads: np.ndarray) -> np.ndarray:
    """Largest difference of a load, relative to the largest load, of each snapshot."""
    return np.nanmax(np.abs((A @ x.T).T - loads), axis=1) / np.nanmax(loads, axis=1)


@pytest.mark.parametrize(("norm", "decay"), [("l1", "cosine"), ("l2", "halving")])
def test_loads_are_met_where_they_can_be(A, decode, loads: np.ndarray, norm, decay):
    config = replace(CONFIG, steps=800, learning_rate=0.1, norm=norm, decay=decay)
    x = invert(decode, SHAPE, A, loads, config)
    assert x.shape == (21, A.shape[1])
    assert off(A, x, loads).max() < 1e-3
    start = invert(decode, SHAPE, A, loads, replace(config, steps=0))
    assert off(A, start, loads).min() > 0.02


def test_the_nearest_start_is_taken(A, decode, loads: np.ndarray):
    loads = loads.copy()
    loads[2, :4] = loads[5] = np.nan
    config = replace(CONFIG, steps=0)
    pool = decode_starts(decode, SHAPE, config)
    assert pool.shape == (20, A.shape[1])
    distance = np.nansum(((A @ pool.T).T[None] - loads[:, None]) ** 2, axis=2)
    np.testing.assert_array_equal(nearest_starts(pool, A, loads, 4), distance.argsort(axis=1)[:, :4])
    x = invert(decode, SHAPE, A, loads, config)
    np.testing.assert_array_equal(x, pool[distance.argmin(axis=1)])
    assert len(np.unique(distance.argmin(axis=1))) > 5


def test_draws_are_averaged(A, decode, loads: np.ndarray):
    start = nearest_starts(decode_starts(decode, SHAPE, CONFIG), A, loads, 3)
    each = []
    for k in range(3):
        descent = Descent(decode, Operator.of(A), starting_noise(start[:, k], SHAPE, 0), loads, CONFIG)
        list(descent.run())
        each.append(descent.result().double().numpy())
    for block in (7, 64):
        found = invert(decode, SHAPE, A, loads, replace(CONFIG, draws=3, block=block))
        np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5)
    with pytest.raises(UsageError, match="draws is 30, more than the 20 starts"):
        replace(CONFIG, draws=30)


def test_prior_gives_the_most_likely_noise(A, decode, loads: np.ndarray):
    """With squared differences and a linear decoder: ridge regression."""
    config = replace(CONFIG, norm="l2", prior=1e-4, relax=0.0, steps=600, learning_rate=0.1)
    x = invert(decode, SHAPE, A, loads, config)
    base = decode(torch.zeros(1, *SHAPE)).double().numpy()[0]
    W = decode(torch.eye(24).reshape(24, *SHAPE)).double().numpy() - base
    for t in (0, 13):
        G = A @ W.T / loads[t].sum()
        z = np.linalg.solve(2 * G.T @ G + 1e-4 * np.eye(24), 2 * G.T @ (loads[t] - A @ base) / loads[t].sum())
        np.testing.assert_allclose(x[t], base + z @ W, rtol=2e-3)
    assert np.abs(base + z @ W - base).max() > 0.2


def test_starts_are_standard_normal_and_each_its_own():
    noise = starting_noise(np.arange(500), SHAPE, 0)
    assert float(noise.mean()) == pytest.approx(0, abs=0.03)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)
    assert torch.equal(starting_noise(np.array([7, 3, 7]), SHAPE, 0), noise[[7, 3, 7]])
    assert not torch.equal(starting_noise(np.array([7]), SHAPE, 1), noise[[7]])
    assert len(torch.unique(noise)) > 0.99 * noise.numel()


def test_steps_are_those_of_adam_on_the_loss(A, decode, loads: np.ndarray):
    loads = loads[:5].copy()
    loads[1, 3] = np.nan
    for norm, prior, relax in (("l1", 0.0, 2.0), ("l2", 0.0, 2.0), ("l1", 0.01, 0.0), ("l1", 0.01, 2.0)):
        config = replace(
            CONFIG, steps=10, norm=norm, prior=prior, relax=relax, decay="none", learning_rate=0.01, best=False
        )
        start = starting_noise(np.arange(5), SHAPE, 0)
        state = Descent(decode, Operator.of(A), start, loads, config)
        found = [loss for _, loss in state.run()]

        noise = start.double().requires_grad_()
        adam = torch.optim.Adam([noise], lr=0.01, eps=1e-12)
        dense, y = torch.from_numpy(A.toarray()), torch.from_numpy(loads)
        W = decode(torch.eye(24).reshape(24, *SHAPE)) - decode(torch.zeros(1, *SHAPE))
        expected = []
        for k in range(10):
            x = decode(torch.zeros(1, *SHAPE)) + noise.flatten(1) @ W.double()
            share = ((x @ dense.T - y) / y.nansum(dim=1, keepdim=True)).nan_to_num()
            loss = (share.abs() if norm == "l1" else share**2).sum(dim=1)
            loss = loss + prior * (1 - k / 10) ** relax * (noise**2).sum(dim=(1, 2)) / 2
            expected.append(float(loss.detach().mean()))
            adam.zero_grad()
            loss.sum().backward()
            adam.step()
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        np.testing.assert_allclose(state.noise().numpy(), noise.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("patience", [0, 3])
def test_a_snapshot_does_not_depend_on_the_others(A, decode, loads: np.ndarray, patience):
    loads = loads.copy()
    loads[4, 1] = np.nan
    config = replace(CONFIG, patience=patience)
    together = invert(decode, SHAPE, A, loads, config)
    for t in (0, 4, 20):
        np.testing.assert_allclose(invert(decode, SHAPE, A, loads[[t]], config)[0], together[t], rtol=1e-6)
    np.testing.assert_allclose(invert(decode, SHAPE, A, loads[::-1], config)[::-1], together, rtol=1e-6)
    np.testing.assert_allclose(invert(decode, SHAPE, A, loads, replace(config, block=64)), together, rtol=1e-6)
    np.testing.assert_allclose(invert(decode, SHAPE, A, loads, replace(config, block=3)), together, rtol=1e-6)


def test_same_seed_same_bits(A, decode, loads: np.ndarray):
    first, again = (invert(decode, SHAPE, A, loads, CONFIG) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, invert(decode, SHAPE, A, loads, replace(CONFIG, seed=1)))
    state = torch.get_rng_state()
    invert(decode, SHAPE, A, loads[:1], CONFIG)
    assert torch.equal(state, torch.get_rng_state())


def test_only_the_first_noise_moves(A, decode, loads: np.ndarray):
    start = starting_noise(np.arange(21), SHAPE, 0)
    for move in ("start", "all"):
        state = Descent(decode, Operator.of(A), start, loads, replace(CONFIG, move=move))
        for _ in state.run():
            pass
        same = (state.noise() == start).flatten(2).all(dim=2).all(dim=0)
        assert same.tolist() == [False, move == "start", move == "start"]
    with pytest.raises(UsageError, match="one noise"):
        invert(decode, (24,), A, loads, replace(CONFIG, move="start"))


def test_what_is_not_measured_does_not_count(A, decode, loads: np.ndarray):
    part = loads.copy()
    part[:, [0, 5]] = np.nan
    rest = np.setdiff1d(np.arange(A.shape[0]), [0, 5])
    found = invert(decode, SHAPE, A, part, CONFIG)
    np.testing.assert_allclose(found, invert(decode, SHAPE, A[rest], loads[:, rest], CONFIG), rtol=1e-5)
    assert np.abs(found - invert(decode, SHAPE, A, loads, CONFIG)).max() > 0.05


def test_nothing_measured_and_no_traffic(A, decode, loads: np.ndarray):
    odd = loads[:4].copy()
    odd[1], odd[2] = np.nan, 0.0
    x = invert(decode, SHAPE, A, odd, CONFIG)
    np.testing.assert_array_equal(x[1], decode_starts(decode, SHAPE, CONFIG)[0])
    assert np.isfinite(x).all()
    assert x[2].sum() < 0.8 * x[0].sum()
    np.testing.assert_array_equal(x[[0, 3]], invert(decode, SHAPE, A, loads[[0, 3]], CONFIG))


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_steps_do_not_depend_on_the_unit(A, decode, loads: np.ndarray, norm):
    config = replace(CONFIG, norm=norm)
    expected = invert(decode, SHAPE, A, loads, config)
    found = invert(lambda z: 1024 * decode(z), SHAPE, A, 1024 * loads, config)
    np.testing.assert_array_equal(found, 1024 * expected)


def test_the_best_step_is_returned(A, decode, loads: np.ndarray):
    wild = replace(CONFIG, steps=15, learning_rate=0.5, decay="none")
    last, best = (invert(decode, SHAPE, A, loads, replace(wild, best=b)) for b in (False, True))

    def loss(x: np.ndarray) -> np.ndarray:
        return np.abs((A @ x.T).T - loads).sum(axis=1) / loads.sum(axis=1)

    steps = [invert(decode, SHAPE, A, loads, replace(wild, steps=k, best=False)) for k in range(16)]
    np.testing.assert_array_equal(last, steps[15])
    np.testing.assert_allclose(loss(best), np.min([loss(x) for x in steps], axis=0), rtol=1e-5)
    assert (loss(best) < loss(last)).sum() > 10


def test_patience_saves_steps(A, decode, loads: np.ndarray):
    rows = []

    def counting(noise: torch.Tensor) -> torch.Tensor:
        rows.append(len(noise))
        return decode(noise)

    config = replace(CONFIG, steps=400, block=64, learning_rate=0.02, decay="none")
    invert(counting, SHAPE, A, loads, config)
    assert sum(rows[1:]) == 401 * 32
    rows.clear()
    x = invert(counting, SHAPE, A, loads, replace(config, patience=20))
    assert sum(rows[1:]) < 300 * 32
    assert set(rows[1:]) == {32, 16}
    assert off(A, x, loads).max() < 0.02


def test_no_more_than_a_block_is_decoded_at_once(A, decode, loads: np.ndarray):
    rows = []

    def counting(noise: torch.Tensor) -> torch.Tensor:
        rows.append(len(noise))
        return decode(noise)

    invert(counting, SHAPE, A, np.tile(loads, (3, 1)), replace(CONFIG, steps=2, block=20, starts=50))
    assert max(rows) == padded(20) == 32
    assert len(rows) == 3 + 4 * 3


def test_progress_counts_snapshots_and_steps(A, decode, loads: np.ndarray):
    calls: list[tuple[int, int, float]] = []
    invert(decode, SHAPE, A, loads, CONFIG, lambda done, total, losses: calls.append((done, total, losses["loss"])))
    done, total, loss = np.array(calls).T
    assert set(total) == {21 * 60}
    assert (np.diff(done) > 0).all()
    assert done[-1] == 21 * 60
    assert loss[59] < 0.2 * loss[0]


def test_learning_rates():
    published = InversionConfig(steps=300, decay="halving", learning_rate=0.04)
    assert [published.rate(k) for k in (0, 24, 25, 49, 50, 149, 150, 299)] == [
        0.04, 0.04, 0.02, 0.02, 0.01, 0.01, 0.005, 0.005,
    ]  # fmt: skip
    assert [InversionConfig(steps=4, learning_rate=1).rate(k) for k in range(4)] == pytest.approx(
        [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]
    )
    assert InversionConfig(decay="none").rate(199) == 0.04


@pytest.mark.parametrize(
    "wrong",
    [
        {"starts": 0},
        {"draws": 0},
        {"block": 0},
        {"steps": -1},
        {"steps": 1.5},
        {"patience": -1},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"norm": "l3"},
        {"prior": -1.0},
        {"move": "none"},
        {"decay": "linear"},
    ],
    ids=str,
)
def test_values_that_make_no_sense(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        InversionConfig(**wrong)
