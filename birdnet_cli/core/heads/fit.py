"""Descriptors and labels -> a linear head, solved exactly, with its C chosen and its probabilities calibrated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.heads.solver import (
    Candidate,
    RowSource,
    build_basis,
    create_loss,
    cross_validate,
    fit_temperature,
    measure_moments,
    minimize,
    recover_weight,
    sample_weights,
    stratified_folds,
)
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["HeadFit", "fit_head"]

# Relative error of the weights; that of the objective is its square.
TOLERANCE = 1e-4
# C = 10^e / (mean squared norm of the centred descriptors): at e = 0 a single image can move its own logit by about
# one. From nearly constant logits to nearly hard margins, in steps of sqrt(10); a softmax wants its margins wider.
EXPONENTS = {
    "ridge": tuple(e / 2 for e in range(-4, 6)),
    "svm": tuple(e / 2 for e in range(-4, 6)),
    "softmax": tuple(e / 2 for e in range(0, 10)),
}


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A solved head and how it came about.

    Attributes:
        weight: W of the raw descriptors, float32 [K, D]: logits = W descriptor + b.
        bias: b, float32 [K].
        C: weight of the summed loss against ||W||^2 / 2 (of the standardized features, where they were).
        temperature: T of the probabilities softmax(logits / T); 1 without calibration.
        cross_validation: one entry per C that was tried, rising; empty where none was needed.
        mean_squared_norm: of the centred (and standardized) descriptors.
        jitter: what the kernel's factorisation needed on its diagonal, as a fraction of `mean_squared_norm`.
        error: estimate of the relative error of W against the exact minimum.
    """

    weight: Tensor
    bias: Tensor
    C: float
    temperature: float
    cross_validation: tuple[Candidate, ...]
    mean_squared_norm: float
    jitter: float
    error: float


def fit_head(
    source: RowSource,
    labels: Tensor | npt.NDArray[np.int64],
    *,
    num_classes: int,
    settings: HeadSettings,
    standardize: bool,
    progress: Callable[[str, float], None] | None = None,
) -> HeadFit:
    """Minimise  ||W||^2 / 2 + C sum_i w_i loss(W x_i + b, y_i)  over W and a free b, x the centred descriptors.

    `C = auto` takes, of ten values, the one of highest cross-validated accuracy (of equals: of lowest loss).

    Args:
        source: the training rows.
        labels: integers [N] in 0 .. K-1.
        num_classes: K.
        settings: loss, C, folds, class weights, calibration.
        standardize: divide each feature by its standard deviation; features that never vary get weight 0.
        progress: called with a stage (`statistics`, `kernel`, `cross-validation`, `solve`, `weights`) and the finished
            fraction of it.

    Raises:
        DataError: fewer than two classes, a label out of range, a class without a row, as many labels as not rows, too
            few rows for the folds, or rows that are all equal.
        NumericsError: a descriptor is not finite, or the kernel matrix cannot be factored.
    """
    report = progress or (lambda _stage, _fraction: None)
    y = torch.as_tensor(labels, dtype=torch.int64)
    _check_labels(y, rows=source.rows, num_classes=num_classes)
    needs_folds = settings.C == "auto" or settings.calibrate
    folds = stratified_folds(y.numpy(), folds=settings.cv, seed=settings.seed) if needs_folds else None
    balanced = settings.class_weights == "balanced"

    report("statistics", 0.0)
    moments = measure_moments(source, standardize=standardize)
    report("statistics", 1.0)
    basis = build_basis(source, moments, progress=lambda fraction: report("kernel", fraction))
    C, temperature = settings.C, 1.0
    candidates: tuple[Candidate, ...] = ()
    if folds is not None:
        found = cross_validate(
            basis.rows,
            y,
            head=settings.head,
            num_classes=num_classes,
            balanced=balanced,
            Cs=_grid(settings, basis.mean_squared_norm),
            folds=folds,
            progress=lambda fraction: report("cross-validation", fraction),
        )
        C, candidates = found.best.C, found.candidates
        if settings.calibrate:
            temperature = fit_temperature(found.logits[found.judged], y[found.judged])
    weights = sample_weights(y, balanced=balanced)
    loss = create_loss(settings.head, y, num_classes=num_classes, weights=weights)
    report("solve", 0.0)
    solution = minimize(basis.rows, loss, C=float(C), tolerance=TOLERANCE)
    report("solve", 1.0)
    weight, bias = recover_weight(
        basis,
        source,
        moments,
        weight=solution.weight,
        bias=solution.bias,
        progress=lambda fraction: report("weights", fraction),
    )
    return HeadFit(
        weight,
        bias,
        float(C),
        temperature,
        candidates,
        basis.mean_squared_norm,
        basis.jitter,
        solution.error,
    )


def _grid(settings: HeadSettings, mean_squared_norm: float) -> list[float]:
    if settings.C != "auto":
        return [settings.C]
    return [10**exponent / mean_squared_norm for exponent in EXPONENTS[settings.head]]


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
