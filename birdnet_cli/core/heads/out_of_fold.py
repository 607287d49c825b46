"""Descriptors and labels -> the probabilities that heads give to rows which they were not solved on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.exact_fit import judge_exactly
from birdnet_cli.core.heads.fit import prepare_task
from birdnet_cli.core.heads.solver import RowSource
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["OutOfFold", "predict_out_of_fold"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What cross-validation says of every row.

    Attributes:
        probabilities: calibrated, float32 [N, K]; each row from heads that were solved without its fold.
        judged: rows whose class those heads had seen, bool [N]; the others' probabilities mean nothing.
        accuracy: share of rows that are classified as their label says.
    """

    probabilities: Tensor
    judged: Tensor
    accuracy: float


def predict_out_of_fold(
    source: RowSource,
    labels: npt.NDArray[np.int64],
    *,
    num_classes: int,
    settings: HeadSettings,
    standardize: bool,
    groups: npt.NDArray[np.int64] | None = None,
    device: torch.device | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> OutOfFold:
    """Solve heads without each fold in turn, exactly, and ask each about the rows that it has not seen.

    Args:
        source: all rows.
        labels: integers [N] in 0 .. K-1, each at least once.
        num_classes: K.
        settings: loss, C, folds, class weights; the solver is the exact one.
        standardize: divide each feature by its standard deviation.
        groups: integers [N]; rows of one group are in one fold.
        device: where the products are computed; None is the CPU.
        progress: called with a stage and the finished fraction of it.

    Raises:
        DataError, NumericsError: as `fit_head`.
    """
    task = prepare_task(
        source,
        labels,
        num_classes=num_classes,
        settings=settings.model_copy(update={"calibrate": True}),
        standardize=standardize,
        groups=groups,
        device=device,
        progress=progress,
    )
    found = judge_exactly(task)
    temperature = fit_temperature(found.logits[found.judged], task.labels[found.judged])
    return OutOfFold(torch.softmax(found.logits / temperature, dim=1), found.judged, found.best.accuracy)
