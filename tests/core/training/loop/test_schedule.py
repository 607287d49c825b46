"""Rates against numbers worked out by hand."""

from typing import Any

import pytest

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.loop.schedule import rate_factor


def factors(steps: list[int], *, steps_per_epoch: int = 10, **settings: Any) -> list[float]:
    made = FinetuneSettings.model_validate({"epochs": 4} | settings)
    return [rate_factor(made, step=step, steps_per_epoch=steps_per_epoch) for step in steps]


def test_a_constant_rate_stays() -> None:
    assert factors([0, 17, 39], sched="constant") == [1.0, 1.0, 1.0]


def test_milestones_are_absolute_epochs_and_each_divides_by_ten() -> None:
    found = factors([0, 9, 10, 29, 30, 39], sched="milestones", milestones=(1, 3))
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_milestones_may_lie_within_an_epoch_and_have_their_own_gamma() -> None:
    assert factors([24, 25], sched="milestones", milestones=(2.5,), gamma=0.5) == [1.0, 0.5]


def test_a_cosine_falls_from_one_to_zero() -> None:
    # (1 + cos(pi t)) / 2 at t = 0, 1/4, 1/2, 3/4
    assert factors([0, 10, 20, 30], sched="cosine") == pytest.approx([1, 0.8535533906, 0.5, 0.1464466094])


def test_slow_start_rises_from_a_tenth_in_units_of_updates() -> None:
    found = factors([0, 1, 10, 29, 30], sched="constant", slow_start_epochs=3)
    # 0.1 + 0.9 * step / 30
    assert found == pytest.approx([0.1, 0.13, 0.4, 0.97, 1.0])


def test_slow_start_multiplies_the_factor_of_milestones() -> None:
    found = factors([5, 10, 15], sched="milestones", milestones=(1,), slow_start_epochs=2)
    assert found == pytest.approx([0.325, 0.1 * 0.55, 0.1 * 0.775])


def test_a_warm_up_spends_no_update_at_a_rate_of_zero() -> None:
    assert factors([0, 4, 9, 10], sched="constant", warmup_epochs=1) == pytest.approx([0.1, 0.5, 1.0, 1.0])


def test_a_constant_warm_up_is_the_baseline_s_one_epoch_at_a_tenth() -> None:
    found = factors([0, 9, 10], sched="constant", warmup_epochs=1, warmup="constant", warmup_scale=0.1)
    assert found == pytest.approx([0.1, 0.1, 1.0])


def test_a_cosine_begins_where_the_rise_ends() -> None:
    found = factors([9, 10, 25, 39], sched="cosine", warmup_epochs=1)
    assert found == pytest.approx([1.0, 1.0, 0.5, 0.0027390523], rel=1e-6)
