"""What the loop does to weights, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from odflow.errors import OdflowError, UsageError
from odflow.training import TrainingConfig, adam, train

PLAIN = {"learning_rate": 0.1, "final_learning_rate": 0.1, "clip": 0.0, "ema": 0.0}


def column(weights: Tensor) -> list[float]:
    return weights.detach().flatten().tolist()


def test_finds_the_least_squares_solution(line, data: Tensor):
    task = line()
    done = train(task, data, TrainingConfig(steps=300, batch=200, **PLAIN))
    design = torch.cat([data[:, :2], torch.ones(len(data), 1)], 1).double()
    expected = torch.linalg.lstsq(design, data[:, 2:].double()).solution.flatten()
    found = [*column(task.line.weight), *column(task.line.bias)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    error = float((design @ expected - data[:, 2]).square().mean())
    assert (done.steps, done.best_validation, done.stopped_early) == (300, None, False)
    assert done.losses["loss"] == pytest.approx(error, rel=1e-4)
    assert not task.line.training


def test_equals_a_loop_written_by_hand(line, data: Tensor):
    """Learning rate, clip and average from their formulas (Adam: torch's own)."""
    config = TrainingConfig(steps=40, batch=50, learning_rate=0.1, final_learning_rate=0.001, clip=0.5, ema=0.9)
    task = line(torch.optim.Adam, 0.1)
    train(task, data, config)

    other = line(torch.optim.Adam, 0.1)
    average = [p.detach().clone() for p in other.line.parameters()]
    for k, batch in enumerate(task.batches):
        other.optimizers["sgd"].param_groups[0]["lr"] = 0.1 * 0.01 ** (k / 39)
        other.optimizers["sgd"].zero_grad()
        other.loss(batch).backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in other.line.parameters()))
        for p in other.line.parameters():
            p.grad *= min(1.0, 0.5 / norm)
        other.optimizers["sgd"].step()
        d = min(0.9, (1 + k) / (10 + k))
        average = [d * a + (1 - d) * p.detach() for a, p in zip(average, other.line.parameters(), strict=True)]
    np.testing.assert_allclose(column(task.line.weight), column(average[0]), rtol=1e-4)
    np.testing.assert_allclose(column(task.line.bias), column(average[1]), rtol=1e-4)


def test_an_epoch_visits_rows_once_in_another_order(line):
    rows = torch.arange(30.0).reshape(10, 3)
    task = line()
    train(
        task, rows, TrainingConfig(steps=6, batch=3, **(PLAIN | {"learning_rate": 1e-9, "final_learning_rate": 1e-9}))
    )
    epochs = [torch.cat(task.batches[k : k + 3])[:, 0].tolist() for k in (0, 3)]
    for epoch in epochs:
        assert len(set(epoch)) == 9  # the tenth does not fill a batch
        assert set(epoch) <= set(rows[:, 0].tolist())
    assert epochs[0] != epochs[1]


def test_fewer_rows_than_a_batch(line, data: Tensor):
    task = line()
    train(task, data[:5], TrainingConfig(steps=2, batch=64))
    assert [len(batch) for batch in task.batches] == [5, 5]


def test_rates_decay_from_those_of_each_optimizer(rivals, data: Tensor):
    task, rates = rivals(), []
    task.optimizers["critic"].param_groups[0]["lr"] = 0.05
    task.on_step = lambda step: rates.append([o.param_groups[0]["lr"] for o in task.optimizers.values()])
    train(task, data, TrainingConfig(steps=3, learning_rate=0.01, final_learning_rate=0.0001, ema=0))
    np.testing.assert_allclose(rates, [[0.01, 0.05], [0.001, 0.005], [0.0001, 0.0005]])


def test_a_gradient_is_clipped_for_each_optimizer(line, data: Tensor):
    task = line()
    before = torch.cat([p.detach().flatten().clone() for p in task.line.parameters()])
    train(task, data * 100, TrainingConfig(steps=1, **(PLAIN | {"clip": 0.25})))
    after = torch.cat([p.detach().flatten() for p in task.line.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.1 * 0.25, rel=1e-4)


def test_an_update_reaches_its_own_parameters_only(data: Tensor):
    class Chain:
        def __init__(self) -> None:
            self.modules = {"first": nn.Linear(3, 3), "second": nn.Linear(3, 1)}
            self.optimizers = {"second": torch.optim.SGD(self.modules["second"].parameters(), lr=0.1)}

        def step(self, batch, step, generator, update):
            loss = self.modules["second"](self.modules["first"](batch)).square().mean()
            update("second", loss)
            assert all(p.grad is None for p in self.modules["first"].parameters())
            return {"loss": loss.detach()}

    task = Chain()
    before = task.modules["first"].weight.detach().clone()
    task.modules["second"].bias.requires_grad_(False)
    bias = task.modules["second"].bias.clone()
    train(task, data, TrainingConfig(steps=2, **PLAIN))
    assert torch.equal(task.modules["first"].weight, before)
    assert torch.equal(task.modules["second"].bias, bias)


def test_same_seed_same_weights_and_no_global_state(rivals, weights_of, data: Tensor):
    def trained(seed: int) -> dict[str, bytes]:
        torch.manual_seed(seed)
        task, state = rivals(), torch.get_rng_state()
        train(task, data, TrainingConfig(steps=20, seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
        return {name: array.tobytes() for name, array in weights_of(task.modules).items()}

    threads, first = torch.get_num_threads(), trained(1)
    torch.randn(3)
    assert trained(1) == first
    assert torch.get_num_threads() == threads
    assert trained(2) != first


class Scripted:
    """The weight counts the steps; validation losses are given."""

    def __init__(self, losses: list[float], at: float = math.inf, value: float = math.nan) -> None:
        self.count = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.count.weight)
        self.modules = {"count": self.count}
        self.optimizers = {"sgd": torch.optim.SGD(self.count.parameters(), lr=1.0)}
        self.losses: Iterator[float] = iter(losses)
        self.seen: list[float] = []
        self.at, self.value = at, value

    def step(self, batch, step, generator, update):
        assert self.count.training
        update("sgd", -self.count.weight.sum())
        return {"first": torch.tensor(1.0), "second": torch.tensor(self.value if step == self.at else 2.0)}

    def validate(self, data, generator):
        assert not self.count.training
        assert not torch.is_grad_enabled()
        self.seen.append(float(self.count.weight))
        return next(self.losses)


COUNTING = {"learning_rate": 1.0, "final_learning_rate": 1.0, "clip": 0.0, "ema": 0.0}


def test_early_stop_goes_back_to_the_best(data: Tensor):
    task = Scripted([5, 3, 4, 3, 3.5, 9])
    config = TrainingConfig(steps=100, validate_every=10, patience=3, **COUNTING)
    done = train(task, data, config, validation=data)
    assert (done.steps, done.best_validation, done.stopped_early) == (50, 3, True)
    assert (task.count.weight.item(), task.seen) == (20, [10, 20, 30, 40, 50])


def test_the_best_counts_also_without_a_stop(data: Tensor):
    task = Scripted([5, 3, 4])
    done = train(task, data, TrainingConfig(steps=25, validate_every=10, patience=9, **COUNTING), validation=data)
    assert (done.steps, done.stopped_early, task.count.weight.item()) == (25, False, 20)


def test_without_patience_the_last_weights_stay(data: Tensor):
    task = Scripted([5, 3, 4])
    done = train(task, data, TrainingConfig(steps=30, validate_every=10, **COUNTING), validation=data)
    assert (done.best_validation, task.count.weight.item()) == (3, 30)


def test_what_is_validated_is_the_average(data: Tensor):
    task = Scripted([1, 2])
    train(task, data, TrainingConfig(steps=2, validate_every=1, **(COUNTING | {"ema": 0.999})), validation=data)
    first = 0.9 * 1.0
    second = 2 / 11 * first + 9 / 11 * 2.0
    np.testing.assert_allclose(task.seen, [first, second], rtol=1e-6)
    assert task.count.weight.item() == pytest.approx(second)


def test_a_loss_that_is_not_finite_stops(data: Tensor, tmp_path):
    file = tmp_path / "c.safetensors"
    config = TrainingConfig(steps=30, checkpoint_every=5, **COUNTING)
    with pytest.raises(OdflowError, match=r"stopped at step 13: loss 'second' is nan; lower learning_rate \(it was 1 "):
        train(Scripted([], at=12), data, config, checkpoint=file)
    task = Scripted([])
    assert train(task, data, config, checkpoint=file, resume=True).steps == 30
    assert task.count.weight.item() == 30


def test_weights_that_are_not_finite_are_never_saved(line, data: Tensor, tmp_path):
    class Exploding(line):
        def step(self, batch, step, generator, update):
            losses = super().step(batch, step, generator, update)
            if step == 7:
                with torch.no_grad():
                    self.line.bias.fill_(math.inf)
            return losses

    file = tmp_path / "c.safetensors"
    config = TrainingConfig(steps=8, checkpoint_every=4, **PLAIN)
    with pytest.raises(OdflowError, match=r"stopped at step 8: weights 'line.bias' are no longer finite"):
        train(Exploding(), data, config, checkpoint=file)
    task = line()
    assert train(task, data, config, checkpoint=file, resume=True).steps == 8
    assert len(task.batches) == 4


def test_a_validation_that_is_not_finite_stops(data: Tensor):
    config = TrainingConfig(steps=30, validate_every=10, **COUNTING)
    with pytest.raises(OdflowError, match="stopped at step 20: the validation loss is nan"):
        train(Scripted([1, math.nan]), data, config, validation=data)


def test_progress_is_told(line, data: Tensor):
    told = []
    config = TrainingConfig(steps=50, **PLAIN)
    done = train(line(), data, config, progress=lambda done, total, losses: told.append((done, total, dict(losses))))
    assert told[0][:2] == (1, 50)
    assert told[-1] == (50, 50, done.losses)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({}, {"resume": True}, "resume needs the checkpoint"),
        ({"patience": 2}, {}, "patience is 2, but there is no validation data"),
        ({}, {"validation": torch.zeros(0, 3)}, "no data to validate on"),
    ],
)
def test_arguments_that_do_not_fit(line, data: Tensor, config, options, message: str):
    with pytest.raises(UsageError, match=message):
        train(line(), data, TrainingConfig(**config), **options)


def test_no_data(line):
    with pytest.raises(UsageError, match="no data to train on"):
        train(line(), torch.zeros(0, 3), TrainingConfig())


def test_a_checkpoint_that_cannot_be_written_is_noticed_at_once(line, data: Tensor, tmp_path):
    for file in (tmp_path, tmp_path / "missing" / "c.safetensors"):
        task = line()
        with pytest.raises(OdflowError, match="cannot write"):
            train(task, data, TrainingConfig(), checkpoint=file)
        assert not task.batches


def test_devices(line, data: Tensor):
    task = line()
    train(task, data, TrainingConfig(steps=2, device="auto"))
    assert task.line.weight.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="torch finds no GPU"):
            train(line(), data, TrainingConfig(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_training_on_the_gpu_goes_on_without_one(rivals, data: Tensor, tmp_path):
    file = tmp_path / "c.safetensors"
    config = {"steps": 20, "checkpoint_every": 10, "ema": 0.9}
    task = rivals()
    task.on_step = lambda step: step < 15 or 1 / 0
    with pytest.raises(ZeroDivisionError):
        train(task, data, TrainingConfig(**config, device="cuda"), checkpoint=file)
    again = rivals()
    assert train(again, data, TrainingConfig(**config), checkpoint=file, resume=True).steps == 20
    assert again.maker[0].weight.device.type == "cpu"


def test_adam_is_adam():
    """Two steps by the formulas of the paper."""
    p = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = adam([p], 0.1, betas=(0.5, 0.9))
    x, m, v = np.array([1.0, -2.0]), 0.0, 0.0
    for t in (1, 2):
        optimizer.zero_grad()
        (p**2).sum().backward()
        optimizer.step()
        g = 2 * x
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        x = x - 0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-8)
    np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-9)
