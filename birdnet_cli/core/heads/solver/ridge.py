"""Squared error, one class against the rest: logits [n, K] -> sum_ik w_i (f_ik - y_ik)^2, y in {-1, 1}.

One Newton step is the closed form. The step's linear system is solved by the conjugate gradients that serve the other
losses: a factorisation for each C and fold would take longer and a second N x N matrix.
"""

import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.targets import mean_targets, signed_targets

__all__ = ["RidgeLoss"]


class RidgeLoss:
    """Ridge regression on signed class indicators, a problem of its own for each class.

    Args:
        labels: int64 [n] in 0 .. K-1.
        num_classes: K.
        weights: of the samples, float64 [n].
    """

    separable = True

    def __init__(self, labels: Tensor, *, num_classes: int, weights: Tensor) -> None:
        self._targets = signed_targets(labels, num_classes, dtype=weights.dtype)
        self._weights = weights[:, None]

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""
        return (self._weights * (logits - self._targets).square()).sum(dtype=torch.float64)

    def gradient(self, logits: Tensor) -> Tensor:
        """Return 2 w (f - y). [n, K] -> [n, K]."""
        return 2 * self._weights * (logits - self._targets)

    def curvature(self, logits: Tensor) -> Tensor:
        """Return 2 w, whatever the logits. [n, K] -> [n, K]."""
        return (2 * self._weights).expand_as(logits)

    def bend(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return the product, element by element. [n, k], [n, k] -> [n, k]."""
        return curvature * direction

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples. [n, K] -> [K]."""
        return curvature.sum(dim=0)

    def initial_bias(self) -> Tensor:
        """Return the mean targets, [K]."""
        return mean_targets(self._targets, self._weights)
