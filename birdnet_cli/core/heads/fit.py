"""Descriptors and labels -> a linear head, its C chosen and its probabilities calibrated."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.heads.exact_fit import fit_exactly
from birdnet_cli.core.heads.problem import HeadFit, HeadProblem
from birdnet_cli.core.heads.solver import RowSource, grouped_folds, measure_moments, stratified_folds
from birdnet_cli.core.heads.streamed_fit import fit_streamed
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["choose_solver", "fit_head", "prepare_problem"]

# A basis of 2^28 float32 values takes 1 GB, and a fold's rows of it nearly as much again. 2^28 values are 16,384 rows,
# or more rows of fewer dimensions.
EXACT_VALUES = 2**28


def choose_solver(*, rows: int, dim: int, settings: HeadSettings) -> str:
    """Return `exact` while the basis, N * min(N, D) values, has at most `EXACT_VALUES`, and else `streamed`."""
    if settings.solver != "auto":
        return settings.solver
    return "exact" if rows * min(rows, dim) <= EXACT_VALUES else "streamed"


def fit_head(
    source: RowSource,
    labels: Tensor | npt.NDArray[np.int64],
    *,
    num_classes: int,
    settings: HeadSettings,
    standardize: bool,
    groups: npt.NDArray[np.int64] | None = None,
    device: torch.device | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> HeadFit:
    """Minimise  ||W||^2 / 2 + C sum_i w_i loss(W x_i + b, y_i)  over W and a free b, x the centred descriptors.

    `C = auto` chooses among ten values by cross-validated accuracy; among equal accuracies, by the lowest loss.

    Args:
        source: the training rows.
        labels: integers [N] in 0 .. K-1.
        num_classes: K.
        settings: loss, C, folds, class weights, calibration, solver.
        standardize: divide each feature by its standard deviation; features that are constant get weight 0.
        groups: integers [N]; rows of one group are in one fold.
        device: where the products are computed; None is the CPU.
        progress: called with a stage (`statistics`, `kernel`, `cross-validation`, `solve`, `weights`) and the finished
            fraction of it.

    Raises:
        DataError: fewer than two classes, a label out of range, a class without a row, unequal numbers of labels and
            rows, too few rows or groups for the folds, or rows that are all equal.
        NumericsError: a descriptor is not finite, or the kernel matrix cannot be factored.
    """
    problem = prepare_problem(
        source,
        labels,
        num_classes=num_classes,
        settings=settings,
        standardize=standardize,
        groups=groups,
        device=device,
        progress=progress,
    )
    solver = choose_solver(rows=source.rows, dim=source.dim, settings=settings)
    return fit_exactly(problem) if solver == "exact" else fit_streamed(problem)


def prepare_problem(
    source: RowSource,
    labels: Tensor | npt.NDArray[np.int64],
    *,
    num_classes: int,
    settings: HeadSettings,
    standardize: bool,
    groups: npt.NDArray[np.int64] | None,
    device: torch.device | None,
    progress: Callable[[str, float], None] | None,
) -> HeadProblem:
    """Check the arguments of `fit_head`, draw its folds and measure its rows."""
    report = progress or (lambda _stage, _fraction: None)
    y = torch.as_tensor(labels, dtype=torch.int64)
    _check_labels(y, rows=source.rows, num_classes=num_classes)
    folds = None
    if settings.C == "auto" or settings.calibrate:
        draw = {"folds": settings.cv, "seed": settings.seed}
        folds = stratified_folds(y.numpy(), **draw) if groups is None else grouped_folds(y.numpy(), groups, **draw)
    report("statistics", 0.0)
    moments = measure_moments(source, standardize=standardize)
    report("statistics", 1.0)
    return HeadProblem(source, y, num_classes, settings, moments, folds, device or torch.device("cpu"), report)


def _check_labels(labels: Tensor, *, rows: int, num_classes: int) -> None:
    if num_classes < 2:
        raise DataError(f"a head tells classes apart: expected at least 2 classes, got {num_classes}")
    if len(labels) != rows:
        raise DataError(f"expected one label for each of {rows} descriptors, got {len(labels)}")
    outside = torch.nonzero((labels < 0) | (labels >= num_classes))
    if len(outside):
        row = int(outside[0])
        raise DataError(f"the label of row {row}: expected 0 to {num_classes - 1}, got {int(labels[row])}")
    absent = torch.nonzero(torch.bincount(labels, minlength=num_classes) == 0)[:, 0].tolist()
    if absent:
        named = ", ".join(str(label) for label in absent[:10]) + (", ..." if len(absent) > 10 else "")
        raise DataError(
            f"{len(absent)} of {num_classes} classes have no training image (labels {named}): add images, or leave "
            "those classes out of the class list"
        )
