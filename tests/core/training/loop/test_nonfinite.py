import math

import pytest

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.training.counters import Outcome, TrainingState
from birdnet_cli.core.training.loop.nonfinite import judge_outcome

GOOD = Outcome(images=4, loss=2.0, right=1, grad_norm=1.0, applied=True)
BAD = Outcome(images=4, loss=math.nan, right=0, grad_norm=math.nan, applied=False)
OVERFLOW = Outcome(images=4, loss=2.0, right=1, grad_norm=math.inf, applied=False, overflow=True)
NAMES = [f"{number}.jpg" for number in range(7)]


def judge(state: TrainingState, *outcomes: Outcome, scale: float = 65536.0) -> list[str | None]:
    return [judge_outcome(outcome, state, scale=scale, images=NAMES) for outcome in outcomes]


def test_good_updates_add_up() -> None:
    state = TrainingState()
    assert judge(state, GOOD, GOOD) == [None, None]
    assert (state.interval.loss(), state.interval.top1(), state.epoch.images) == (0.5, 0.25, 8)


def test_a_bad_batch_is_named_and_does_not_count() -> None:
    state = TrainingState(step=5)
    (notice,) = judge(state, BAD)
    assert notice == (
        "step 5: the loss is not finite, and the batch is left out; its images: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, …"
    )
    assert (state.skipped, state.interval.images) == (1, 0)


def test_three_in_a_row_stop_with_advice() -> None:
    state = TrainingState()
    judge(state, BAD, BAD)
    with pytest.raises(NumericsError, match=r"not finite in 3 batches in a row.*lower --lr and --backbone-lr"):
        judge(state, BAD)


def test_a_good_batch_between_starts_the_count_again() -> None:
    state = TrainingState()
    judge(state, BAD, BAD, GOOD, BAD, BAD, GOOD)
    assert state.skipped == 4


def test_float16_may_search_for_its_scale_as_long_as_it_needs() -> None:
    state = TrainingState()
    judge(state, *[OVERFLOW] * 10)
    assert (state.skipped, state.bad) == (10, 0)


def test_float16_that_overflows_unscaled_stops() -> None:
    state = TrainingState()
    judge(state, OVERFLOW, OVERFLOW, scale=0.5)
    with pytest.raises(NumericsError, match="the gradient was not finite"):
        judge(state, OVERFLOW, scale=0.5)


def test_the_counters_survive_json() -> None:
    state = TrainingState(step=7, best_epoch=1, best_top1=1 / 3, failed=["a.jpg: zero bytes"])
    judge(state, GOOD, BAD)
    assert TrainingState.from_json(state.to_json()) == state
