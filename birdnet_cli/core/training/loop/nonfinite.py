"""Batches whose loss or gradient is not finite: each is reported, and the third in a row stops the training."""

import math
from collections.abc import Sequence

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.training.counters import TrainingCounters, UpdateResult

__all__ = ["describe_skipped_update"]

MOST_IN_A_ROW = 3
NAMED = 5


def describe_skipped_update(result: UpdateResult, counters: TrainingCounters, *, images: Sequence[str]) -> str | None:
    """Return a line about a skipped update, or stop the training.

    Args:
        result: the result of an update that was not applied.
        counters: counters that `result` is counted in.
        images: names of the batch's images.

    Returns:
        The line; None if the update was skipped to find the scale of float16's loss, which is no fault of the images.

    Raises:
        NumericsError: the third batch in a row whose loss or gradient is not finite.
    """
    if result.overflow:
        return None
    subject = "the gradient" if math.isfinite(result.loss_sum) else "the loss"
    named = ", ".join(images[:NAMED]) + (", …" if len(images) > NAMED else "")
    if counters.nonfinite_in_a_row < MOST_IN_A_ROW:
        return f"step {counters.step}: {subject} is not finite, and the batch is skipped; its images: {named}"
    raise NumericsError(
        f"{subject} was not finite in {MOST_IN_A_ROW} batches in a row, the last at step {counters.step} ({named}): "
        "lower --lr and --backbone-lr, let them rise with --warmup-epochs 1, give --clip-grad 1, or compute with "
        "--precision float32; then start again, or --resume from the last checkpoint"
    )
