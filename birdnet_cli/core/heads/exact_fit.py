"""A head solved exactly in at most N dimensions, on a basis that memory holds."""

import numpy as np
import numpy.typing as npt

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.problem import FitTask, HeadFit
from birdnet_cli.core.heads.solver import (
    Basis,
    Candidate,
    CrossValidation,
    build_basis,
    create_loss,
    cross_validate,
    minimize,
    recover_weight,
    sample_weights,
)

__all__ = ["fit_exactly", "judge_exactly"]

# Relative error of the weights; that of the objective is its square.
TOLERANCE = 1e-4


def fit_exactly(task: FitTask) -> HeadFit:
    """Solve a task; all folds and all values of C share one kernel matrix.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix cannot be factored.
    """
    settings, labels = task.settings, task.labels.to(task.device)
    basis = build_basis(task.source, task.moments, device=task.device, progress=task.at("kernel"))
    C, temperature = settings.C, 1.0
    candidates: tuple[Candidate, ...] = ()
    if task.folds is not None:
        found = _judge(task, basis, task.folds)
        C, candidates = found.best.C, found.candidates
        if settings.calibrate:
            temperature = fit_temperature(found.logits[found.judged], task.labels[found.judged])
    weights = sample_weights(labels, balanced=task.balanced)
    loss = create_loss(settings.head, labels, num_classes=task.num_classes, weights=weights)
    task.report("solve", 0.0)
    solution = minimize(basis.rows, loss, C=float(C), tolerance=TOLERANCE)
    task.report("solve", 1.0)
    weight, bias = recover_weight(
        basis,
        task.source,
        task.moments,
        weight=solution.weight,
        bias=solution.bias,
        progress=task.at("weights"),
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


def judge_exactly(task: FitTask) -> CrossValidation:
    """Return what heads solved without each fold say of its rows, at the best C.

    Args:
        task: with folds.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix cannot be factored.
    """
    if task.folds is None:
        raise ValueError("expected a task with folds")
    basis = build_basis(task.source, task.moments, device=task.device, progress=task.at("kernel"))
    return _judge(task, basis, task.folds)


def _judge(task: FitTask, basis: Basis, folds: npt.NDArray[np.int64]) -> CrossValidation:
    return cross_validate(
        basis.rows,
        task.labels.to(task.device),
        head=task.settings.head,
        num_classes=task.num_classes,
        balanced=task.balanced,
        Cs=task.grid(basis.mean_squared_norm),
        folds=folds,
        progress=task.at("cross-validation"),
    )
