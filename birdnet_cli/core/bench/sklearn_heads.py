"""scikit-learn's solvers of the same objectives: centred descriptors [N, D] and labels [N] -> W [K, D], b [K]."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.errors import UnknownNameError, UsageError

__all__ = ["RIVALS", "TOLERANCE", "create_rival", "fit_rival"]

RIVALS = {"softmax": "LogisticRegression", "svm": "LinearSVC"}
TOLERANCE = 1e-6
MAX_ITERATIONS = 20_000
# LIBLINEAR penalises the intercept as the weight of a constant feature. At four times a row's length the minimum equals
# that with a free intercept to 1e-5 in the objective; at twelve times, ten times as many iterations are needed.
CONSTANT = 4.0


def create_rival(
    head: str, *, C: float, num_classes: int, mean_squared_norm: float, tolerance: float = TOLERANCE
) -> Any:
    """Return the unfitted estimator.

    Args:
        head: `svm` or `softmax`.
        C: weight of the summed loss against ||W||^2 / 2.
        num_classes: K.
        mean_squared_norm: mean squared norm of the centred descriptors.
        tolerance: scikit-learn's `tol`. LogisticRegression stops by the largest slope of the mean loss: on fewer values
            than 131,328 its objective may need a smaller one to come within 1e-4 of the minimum.

    Raises:
        UnknownNameError: another head.
        UsageError: scikit-learn is not installed.
    """
    if head not in RIVALS:
        raise UnknownNameError("head to compare", head, RIVALS)
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise UsageError(
            "fbn bench head compares with scikit-learn, which is not installed: python -m pip install scikit-learn"
        ) from error
    settings = {"tol": tolerance, "max_iter": MAX_ITERATIONS}
    if head == "softmax":
        # Of two classes it has the difference w of the rows of W alone, whose penalty is twice that of w/2 and -w/2.
        return LogisticRegression(C=2 * C if num_classes == 2 else C, **settings)
    return LinearSVC(C=C, intercept_scaling=CONSTANT * mean_squared_norm**0.5, random_state=0, **settings)


def fit_rival(
    model: Any, rows: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Fit it; return W [K, D] and b [K], and whether it reached its tolerance.

    Two classes give scikit-learn one row of weights, whose opposite is the other class's (half of each in a softmax).
    """
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        model.fit(rows, labels)
    converged = not any("onverge" in str(warning.message) for warning in raised)
    weight, bias = np.asarray(model.coef_, np.float64), np.asarray(model.intercept_, np.float64)
    if len(weight) == 1:
        share = 0.5 if type(model).__name__ == "LogisticRegression" else 1.0
        weight, bias = (share * np.concatenate([-values, values]) for values in (weight, bias))
    return weight, bias, converged
