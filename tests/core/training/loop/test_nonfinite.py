import math

import pytest

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.training.counters import TrainingCounters, UpdateResult
from birdnet_cli.core.training.loop.nonfinite import describe_skipped_update

BAD_LOSS = UpdateResult(images=4, loss_sum=math.nan, correct=0, grad_norm=math.nan, applied=False)
BAD_GRADIENT = UpdateResult(images=4, loss_sum=2.0, correct=1, grad_norm=math.inf, applied=False)
OVERFLOW = UpdateResult(images=4, loss_sum=2.0, correct=1, grad_norm=math.inf, applied=False, overflow=True)
NAMES = [f"{number}.jpg" for number in range(7)]


def describe(counters: TrainingCounters, result: UpdateResult) -> str | None:
    counters.count(result)
    return describe_skipped_update(result, counters, images=NAMES)


def test_a_skipped_batch_is_described_with_its_first_five_images() -> None:
    assert describe(TrainingCounters(step=4), BAD_LOSS) == (
        "step 5: the loss is not finite, and the batch is skipped; its images: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, …"
    )


def test_a_gradient_that_is_not_finite_is_told_from_a_loss() -> None:
    line = describe(TrainingCounters(), BAD_GRADIENT)
    assert line is not None
    assert line.startswith("step 1: the gradient is not finite")


def test_three_in_a_row_stop_with_advice() -> None:
    counters = TrainingCounters()
    describe(counters, BAD_LOSS)
    describe(counters, BAD_LOSS)
    with pytest.raises(NumericsError, match=r"not finite in 3 batches in a row, the last at step 3.*lower --lr and"):
        describe(counters, BAD_LOSS)


def test_the_search_for_float16_s_scale_is_not_reported_and_stops_nothing() -> None:
    counters = TrainingCounters()
    assert [describe(counters, OVERFLOW) for _ in range(10)] == [None] * 10
