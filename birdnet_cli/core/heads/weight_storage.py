"""A solved head's W [K, D] -> float16 where no training prediction changes by it, else float32."""

from dataclasses import dataclass

import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.heads.problem import HeadFit
from birdnet_cli.core.heads.solver import RowSource
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["HalfWeight", "halve_weight", "stored_weight"]

# Largest shift of a probability that a printed percentage would not show: half a percentage point.
UNNOTICED = 0.005


@dataclass(frozen=True, eq=False)
class HalfWeight:
    """W rounded to float16.

    Attributes:
        weight: float16 [K, D].
        changed: training rows whose predicted class differs from that of float32.
        shift: largest change of a probability of a training row, in [0, 1].
    """

    weight: Tensor
    changed: int
    shift: float

    @property
    def unnoticed(self) -> bool:
        """Whether no class changes, and no probability by more than `UNNOTICED`."""
        return self.changed == 0 and self.shift <= UNNOTICED


def halve_weight(fit: HeadFit, source: RowSource) -> HalfWeight:
    """Round W, and compare all training predictions with those of float32 in one pass.

    Args:
        fit: the solved head.
        source: the rows that it was solved on.

    Returns:
        The rounded W, and its effect on the training predictions.
    """
    weight = fit.weight.half()
    rounded = weight.float()
    changed, shift = 0, 0.0
    for _, block in source.blocks():
        exact, stored = (torch.from_numpy(block @ W.numpy().T) + fit.bias for W in (fit.weight, rounded))
        changed += int((exact.argmax(dim=1) != stored.argmax(dim=1)).sum())
        moved = (torch.softmax(exact / fit.temperature, dim=1) - torch.softmax(stored / fit.temperature, dim=1)).abs()
        # An infinite weight makes probabilities NaN, and NaN compares as not larger: count it as a shift of 1.
        shift = max(shift, float(moved.nan_to_num(nan=1.0).max()))
    return HalfWeight(weight, changed, shift)


def stored_weight(fit: HeadFit, source: RowSource, settings: HeadSettings, progress: Progress) -> Tensor:
    """Return W [K, D] in the type that the settings ask for.

    Args:
        fit: the solved head.
        source: the rows that it was solved on.
        settings: its `weight_dtype`.
        progress: gets a note when `auto` chooses float32.

    Raises:
        NumericsError: float16 was asked for, and training predictions would change.
    """
    if settings.weight_dtype == "float32":
        return fit.weight
    half = halve_weight(fit, source)
    if half.unnoticed:
        return half.weight
    found = f"float16 weights change {half.changed} training predictions, and probabilities by up to {half.shift:.2g}"
    if settings.weight_dtype == "float16":
        raise NumericsError(f"{found}: give --weight-dtype float32, or auto")
    progress.note(f"{found}: stored as float32")
    return fit.weight
