"""Squared hinge loss, one class against the rest: logits [n, K] -> sum_ik w_i max(0, 1 - y_ik f_ik)^2, y in {-1, 1}.

Source: Fan et al., LIBLINEAR, 2008, section 2 (L2-loss support vector classification).
"""

import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.targets import mean_targets, signed_targets

__all__ = ["SquaredHingeLoss"]


class SquaredHingeLoss:
    """LIBLINEAR's L2-loss support vector machine, a problem of its own for each class.

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
        return (self._weights * self._slack(logits).square()).sum(dtype=torch.float64)

    def gradient(self, logits: Tensor) -> Tensor:
        """Return -2 w y max(0, 1 - y f). [n, K] -> [n, K]."""
        return self._slack(logits).mul_(self._targets).mul_(-2 * self._weights)

    def curvature(self, logits: Tensor) -> Tensor:
        """Return 2 w where the margin is violated, else 0. [n, K] -> [n, K]."""
        return 2 * self._weights * (self._slack(logits) > 0)

    def bend(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return the product, element by element. [n, k], [n, k] -> [n, k]."""
        return curvature * direction

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples. [n, K] -> [K]."""
        return curvature.sum(dim=0)

    def initial_bias(self) -> Tensor:
        """Return the mean targets, [K]."""
        return mean_targets(self._targets, self._weights)

    def _slack(self, logits: Tensor) -> Tensor:
        return (1 - self._targets * logits).clamp_(min=0)
