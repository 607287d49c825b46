"""The exact solver: a head solved in at most N dimensions, on a basis that fits into memory."""

import numpy as np
import numpy.typing as npt

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.problem import HeadFit, HeadProblem
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

__all__ = ["cross_validate_exactly", "fit_exactly"]

# Relative error of the weights; the relative error of the objective is its square.
TOLERANCE = 1e-4


def fit_exactly(problem: HeadProblem) -> HeadFit:
    """Solve a problem; all folds and all values of C share one kernel matrix.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix cannot be factored.
    """
    settings, labels = problem.settings, problem.labels.to(problem.device)
    basis = build_basis(problem.source, problem.moments, device=problem.device, progress=problem.at("kernel"))
    C, temperature = settings.C, 1.0
    candidates: tuple[Candidate, ...] = ()
    if problem.folds is not None:
        found = _judge(problem, basis, problem.folds)
        C, candidates = found.best.C, found.candidates
        if settings.calibrate:
            temperature = fit_temperature(found.logits[found.judged], problem.labels[found.judged])
    weights = sample_weights(labels, balanced=problem.balanced)
    loss = create_loss(settings.head, labels, num_classes=problem.num_classes, weights=weights)
    problem.report("solve", 0.0)
    solution = minimize(basis.rows, loss, C=float(C), tolerance=TOLERANCE)
    problem.report("solve", 1.0)
    weight, bias = recover_weight(
        basis,
        problem.source,
        problem.moments,
        weight=solution.weight,
        bias=solution.bias,
        progress=problem.at("weights"),
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


def cross_validate_exactly(problem: HeadProblem) -> CrossValidation:
    """Return the logits of all rows, each from a head that was solved without the row's fold, at the best C.

    Args:
        problem: a problem with folds.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix cannot be factored.
    """
    if problem.folds is None:
        raise ValueError("expected a problem with folds")
    basis = build_basis(problem.source, problem.moments, device=problem.device, progress=problem.at("kernel"))
    return _judge(problem, basis, problem.folds)


def _judge(problem: HeadProblem, basis: Basis, folds: npt.NDArray[np.int64]) -> CrossValidation:
    return cross_validate(
        basis.rows,
        problem.labels.to(problem.device),
        head=problem.settings.head,
        num_classes=problem.num_classes,
        balanced=problem.balanced,
        Cs=problem.grid(basis.mean_squared_norm),
        folds=folds,
        progress=problem.at("cross-validation"),
    )
