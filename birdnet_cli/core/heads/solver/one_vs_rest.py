"""One-vs-rest losses: ridge and squared hinge on signed class indicators [n, K]."""

import torch
from torch import Tensor

__all__ = ["RidgeLoss", "SquaredHingeLoss", "mean_targets", "signed_targets"]


def signed_targets(labels: Tensor, num_classes: int, *, dtype: torch.dtype) -> Tensor:
    """Return 1 at each sample's class and -1 elsewhere. int64 [n] -> [n, K]."""
    targets = torch.full((len(labels), num_classes), -1.0, dtype=dtype, device=labels.device)
    return targets.scatter_(1, labels[:, None], 1.0)


def mean_targets(targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over samples. [n, K], [n, 1] -> [K]."""
    return (weights * targets).sum(dim=0) / weights.sum()


class _OneVsRestLoss:
    """Base of the losses on signed class indicators, each of which is a problem of its own for each class.

    Args:
        labels: int64 [n] in 0 .. K-1.
        num_classes: K.
        weights: weights of the samples, float64 [n].
    """

    separable = True

    def __init__(self, labels: Tensor, *, num_classes: int, weights: Tensor) -> None:
        self._targets = signed_targets(labels, num_classes, dtype=weights.dtype)
        self._weights = weights[:, None]

    def hessian_product(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return the product, element by element. [n, k], [n, k] -> [n, k]."""
        return curvature * direction

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples. [n, K] -> [K]."""
        return curvature.sum(dim=0)

    def initial_bias(self) -> Tensor:
        """Return the mean targets, [K]."""
        return mean_targets(self._targets, self._weights)


class RidgeLoss(_OneVsRestLoss):
    """Ridge regression on signed class indicators, a problem of its own for each class."""

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""
        return (self._weights * (logits - self._targets).square()).sum(dtype=torch.float64)

    def gradient(self, logits: Tensor) -> Tensor:
        """Return 2 w (f - y). [n, K] -> [n, K]."""
        return 2 * self._weights * (logits - self._targets)

    def curvature(self, logits: Tensor) -> Tensor:
        """Return 2 w, the same for all logits. [n, K] -> [n, K]."""
        return (2 * self._weights).expand_as(logits)


class SquaredHingeLoss(_OneVsRestLoss):
    """LIBLINEAR's L2-loss support vector machine, a problem of its own for each class."""

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""
        return (self._weights * self._slack(logits).square()).sum(dtype=torch.float64)

    def gradient(self, logits: Tensor) -> Tensor:
        """Return -2 w y max(0, 1 - y f). [n, K] -> [n, K]."""
        return self._slack(logits).mul_(self._targets).mul_(-2 * self._weights)

    def curvature(self, logits: Tensor) -> Tensor:
        """Return 2 w where the margin is violated, else 0. [n, K] -> [n, K]."""
        return 2 * self._weights * (self._slack(logits) > 0)

    def _slack(self, logits: Tensor) -> Tensor:
        return (1 - self._targets * logits).clamp_(min=0)
