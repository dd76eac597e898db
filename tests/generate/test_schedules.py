from __future__ import annotations

import math

import pytest
import torch

from odflow.generate.schedules import NoiseSchedule, cosine_schedule, linear_schedule


def test_linear_schedule_of_a_thousand_steps_is_that_of_the_paper() -> None:
    betas = linear_schedule(1000).betas
    assert betas.dtype == torch.float64
    assert (float(betas[0]), float(betas[-1])) == pytest.approx((1e-4, 0.02))
    assert float(betas[500]) == pytest.approx(1e-4 + 500 * 0.0199 / 999)
    assert float(linear_schedule(1000).alpha_bars[-1]) == pytest.approx(4.036e-5, rel=1e-3)


@pytest.mark.parametrize("steps", [100, 200, 500, 2000])
def test_linear_schedules_end_under_as_much_noise(steps: int) -> None:
    end = float(linear_schedule(steps).alpha_bars[-1])
    assert math.log(end) == pytest.approx(math.log(4.036e-5), rel=0.08)


def test_cosine_schedule() -> None:
    schedule = cosine_schedule(1000)
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    middle = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / start
    assert float(schedule.alpha_bars[499]) == pytest.approx(middle)
    assert float(schedule.betas[-1]) == 0.999


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
def test_schedules_are_schedules(make: type, steps: int) -> None:
    schedule: NoiseSchedule = make(steps)
    assert len(schedule) == steps
    assert ((schedule.betas > 0) & (schedule.betas < 1)).all()
    assert torch.equal(schedule.alphas, 1 - schedule.betas)
    torch.testing.assert_close(schedule.alpha_bars, torch.cumprod(1 - schedule.betas, 0))
