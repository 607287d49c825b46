"""A head's optimisation problem and its solution, as the exact and the streamed solver share them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.solver import Candidate, Moments, RowSource
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["HeadFit", "HeadProblem"]

# C = 10^e / (mean squared norm of the centred descriptors): at e = 0 a single image can move its own logit by about 1.
# The grid goes from nearly constant logits to nearly hard margins in steps of sqrt(10); the softmax needs larger C.
EXPONENTS = {
    "ridge": tuple(e / 2 for e in range(-4, 6)),
    "svm": tuple(e / 2 for e in range(-4, 6)),
    "softmax": tuple(e / 2 for e in range(0, 10)),
}


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A solved head and how it was solved.

    Attributes:
        weight: W of the raw descriptors, float32 [K, D]: logits = W descriptor + b.
        bias: b, float32 [K].
        C: weight of the summed loss against ||W||^2 / 2 (of the standardized features, where they were).
        temperature: T of the probabilities softmax(logits / T); 1 without calibration.
        cross_validation: an entry for each C that was tried, rising; empty without cross-validation.
        mean_squared_norm: mean squared norm of the centred (and standardized) descriptors.
        jitter: value added to the kernel's diagonal for its factorisation, as a fraction of `mean_squared_norm`.
        error: estimate of the relative error of W against the exact minimum (exact), or the largest relative distance
            of the objective from its minimum (streamed).
        solver: `exact` or `streamed`.
    """

    weight: Tensor
    bias: Tensor
    C: float
    temperature: float
    cross_validation: tuple[Candidate, ...]
    mean_squared_norm: float
    jitter: float
    error: float
    solver: str = "exact"


@dataclass(frozen=True, eq=False)
class HeadProblem:
    """Minimise ||W||^2 / 2 + C sum_i w_i loss(W x_i + b, y_i): checked rows, labels and settings, with folds drawn.

    Attributes:
        source: the training rows.
        labels: int64 [N], each of 0 .. K-1 at least once.
        num_classes: K.
        settings: loss, C, folds, class weights, calibration.
        moments: mean and scale of the rows.
        folds: each row's fold, int64 [N]; None where C is given and no temperature is wanted.
        device: where the products are computed.
        report: called with a stage and the finished fraction of it.
    """

    source: RowSource
    labels: Tensor
    num_classes: int
    settings: HeadSettings
    moments: Moments
    folds: npt.NDArray[np.int64] | None
    device: torch.device
    report: Callable[[str, float], None]

    @property
    def balanced(self) -> bool:
        """Whether every class has the same total weight."""
        return self.settings.class_weights == "balanced"

    def grid(self, mean_squared_norm: float) -> list[float]:
        """Return the values of C to try, rising."""
        if self.settings.C != "auto":
            return [self.settings.C]
        return [10**exponent / mean_squared_norm for exponent in EXPONENTS[self.settings.head]]

    def at(self, stage: str) -> Callable[[float], None]:
        """Return the callback that takes the finished fraction of one stage."""
        return lambda fraction: self.report(stage, fraction)
