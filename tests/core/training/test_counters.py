import math
from typing import Any

from birdnet_cli.core.training.counters import TrainingCounters, UpdateResult, Validation

GOOD = UpdateResult(images=4, loss_sum=2.0, correct=1, grad_norm=1.5, applied=True)
MIXED = UpdateResult(images=4, loss_sum=2.0, correct=None, grad_norm=1.5, applied=True)
BAD = UpdateResult(images=4, loss_sum=math.nan, correct=0, grad_norm=math.nan, applied=False)
OVERFLOW = UpdateResult(images=4, loss_sum=2.0, correct=1, grad_norm=math.inf, applied=False, overflow=True)

# The counters of a checkpoint as version 0.1.0 wrote them.
STATE_0_1_0: dict[str, Any] = {
    "step": 4, "validated": 1, "logged": 3, "best_epoch": 1, "best_top1": 0.5, "best_loss": 1.25, "bad": 2,
    "skipped": 3, "accumulate": 2, "factor": 0.75, "grad_norm": None,
    "interval": {"total": 6.5, "right": 3, "images": 6, "mixed": False},
    "epoch": {"total": 7.5, "right": 0, "images": 8, "mixed": True},
    "failed": ["a.jpg: zero bytes"],
}  # fmt: skip


def counted(*results: UpdateResult) -> TrainingCounters:
    counters = TrainingCounters()
    for result in results:
        counters.count(result)
    return counters


def validation(top1: float, loss: float) -> Validation:
    return Validation(images=8, loss=loss, top1=top1, top5=1.0, temperature=1.0)


def test_applied_updates_add_up() -> None:
    counters = counted(GOOD, GOOD)
    assert (counters.step, counters.skipped, counters.grad_norm) == (2, 0, 1.5)
    assert (counters.interval.loss(), counters.interval.top1(), counters.epoch.images) == (0.5, 0.25, 8)


def test_a_single_mixed_batch_leaves_the_interval_without_top1() -> None:
    counters = counted(GOOD, MIXED, GOOD)
    assert (counters.interval.loss(), counters.interval.top1()) == (0.5, None)


def test_sums_without_images_have_no_mean() -> None:
    sums = counted().interval
    assert math.isnan(sums.loss())
    assert sums.top1() is None


def test_a_skipped_update_is_a_step_whose_images_do_not_count() -> None:
    counters = counted(GOOD, BAD)
    assert (counters.step, counters.skipped, counters.interval.images, counters.grad_norm) == (2, 1, 4, None)


def test_an_applied_update_ends_a_row_of_nonfinite_batches() -> None:
    assert counted(BAD, BAD).nonfinite_in_a_row == 2
    assert counted(BAD, BAD, GOOD).nonfinite_in_a_row == 0
    assert counted(BAD, BAD, GOOD).skipped == 2


def test_an_overflow_of_float16_neither_continues_nor_ends_a_row_of_nonfinite_batches() -> None:
    counters = counted(BAD, OVERFLOW)
    assert (counters.nonfinite_in_a_row, counters.skipped) == (1, 2)


def test_the_best_validation_has_the_highest_top1_then_the_lowest_loss() -> None:
    counters = TrainingCounters()
    taken = []
    for epoch, (top1, loss) in enumerate([(0.0, 9.0), (0.5, 2.0), (0.5, 1.0), (0.5, 1.0), (0.25, 0.1)], start=1):
        counters.validated = epoch
        taken.append(counters.take_validation(validation(top1, loss)))
    assert taken == [True, True, True, False, False]
    assert (counters.best_epoch, counters.best_top1, counters.best_loss) == (3, 0.5, 1.0)


def test_counters_written_by_version_0_1_0_are_read() -> None:
    counters = TrainingCounters.from_json(STATE_0_1_0)
    assert (counters.nonfinite_in_a_row, counters.rate_factor) == (2, 0.75)
    assert (counters.interval.loss_sum, counters.interval.correct, counters.epoch.mixed) == (6.5, 3, True)


def test_counters_are_written_as_version_0_1_0_wrote_them() -> None:
    assert list(TrainingCounters.from_json(STATE_0_1_0).to_json().items()) == list(STATE_0_1_0.items())
