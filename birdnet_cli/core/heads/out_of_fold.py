"""Out-of-fold probabilities: each row's, from a head that was solved without the row's fold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.exact_fit import cross_validate_exactly
from birdnet_cli.core.heads.fit import prepare_problem
from birdnet_cli.core.heads.solver import RowSource
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["OutOfFold", "predict_out_of_fold"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The cross-validated probabilities of every row.

    Attributes:
        probabilities: calibrated, float32 [N, K]; each row from heads that were solved without its fold.
        judged: True for rows whose class occurs in the other folds, bool [N]; other rows' probabilities are
            meaningless.
        accuracy: share of rows whose predicted class is their label, in [0, 1].
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
    """Solve a head without each fold in turn, exactly, and predict the rows of that fold.

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
    problem = prepare_problem(
        source,
        labels,
        num_classes=num_classes,
        settings=settings.model_copy(update={"calibrate": True}),
        standardize=standardize,
        groups=groups,
        device=device,
        progress=progress,
    )
    found = cross_validate_exactly(problem)
    temperature = fit_temperature(found.logits[found.judged], problem.labels[found.judged])
    return OutOfFold(torch.softmax(found.logits / temperature, dim=1), found.judged, found.best.accuracy)
