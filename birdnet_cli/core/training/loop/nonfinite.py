"""What to do about a batch whose loss or gradient is not finite: leave it out, and stop after three in a row."""

import math
from collections.abc import Sequence

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.training.counters import Outcome, TrainingState

__all__ = ["judge_outcome"]

BAD_IN_A_ROW = 3
# Below it, float16 cannot hold the gradient of the unscaled loss either.
SMALLEST_SCALE = 1.0
NAMED = 5


def judge_outcome(outcome: Outcome, state: TrainingState, *, scale: float, images: Sequence[str]) -> str | None:
    """Count an update, applied or not.

    Args:
        outcome: of the update; `state.step` counts it already.
        state: takes the count.
        scale: of the loss. With float16 a gradient that overflows is part of finding the right scale.
        images: names of the batch's images.

    Returns:
        A line about an update that was left out, or None.

    Raises:
        NumericsError: the third batch in a row whose values are not finite.
    """
    state.grad_norm = outcome.grad_norm if math.isfinite(outcome.grad_norm) else None
    if outcome.applied:
        state.bad = 0
        state.add(outcome)
        return None
    state.skipped += 1
    if outcome.overflow and scale >= SMALLEST_SCALE:
        return None
    state.bad += 1
    what = "the gradient" if math.isfinite(outcome.loss) else "the loss"
    named = ", ".join(images[:NAMED]) + (", …" if len(images) > NAMED else "")
    if state.bad < BAD_IN_A_ROW:
        return f"step {state.step}: {what} is not finite, and the batch is left out; its images: {named}"
    raise NumericsError(
        f"{what} was not finite in {BAD_IN_A_ROW} batches in a row, the last at step {state.step} ({named}): lower "
        "--lr and --backbone-lr, let them rise with --warmup-epochs 1, give --clip-grad 1, or compute with --precision "
        "float32; then start again, or --resume from the last checkpoint"
    )
