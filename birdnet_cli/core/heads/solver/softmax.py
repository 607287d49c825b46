"""Multinomial logistic loss: logits [n, K] -> sum_i w_i (logsumexp_k f_ik - f_i,y(i))."""

import torch
from torch import Tensor

__all__ = ["SoftmaxLoss"]

# Share assumed for a class without weight: its bias starts so low that its gradient vanishes.
NO_SHARE = 1e-13


class SoftmaxLoss:
    """Cross-entropy of the softmax, a single problem in all classes.

    Args:
        labels: int64 [n] in 0 .. K-1.
        num_classes: K.
        weights: weights of the samples, float64 [n].
    """

    separable = False

    def __init__(self, labels: Tensor, *, num_classes: int, weights: Tensor) -> None:
        self._labels = labels[:, None]
        self._weights = weights[:, None]
        self._num_classes = num_classes

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""
        log_odds = torch.logsumexp(logits, dim=1, keepdim=True) - logits.gather(1, self._labels)
        return (self._weights * log_odds).sum(dtype=torch.float64)

    def gradient(self, logits: Tensor) -> Tensor:
        """Return w (softmax - one_hot). [n, K] -> [n, K]."""
        residual = torch.softmax(logits, dim=1)
        residual.scatter_add_(1, self._labels, -torch.ones_like(residual[:, :1]))
        return residual.mul_(self._weights)

    def curvature(self, logits: Tensor) -> Tensor:
        """Return the probabilities p. [n, K] -> [n, K]."""
        return torch.softmax(logits, dim=1)

    def hessian_product(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return w (diag(p) - p p^T) d for each sample. [n, K], [n, K] -> [n, K]."""
        mean = (curvature * direction).sum(dim=1, keepdim=True)
        return self._weights.to(direction.dtype) * curvature * (direction - mean)

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples of w p (1 - p). [n, K] -> [K]."""
        return (self._weights * curvature * (1 - curvature)).sum(dim=0)

    def initial_bias(self) -> Tensor:
        """Return the logarithms of the classes' shares of the weights, [K]."""
        shares = self._weights.new_zeros(self._num_classes).index_add_(0, self._labels[:, 0], self._weights[:, 0])
        return (shares / shares.sum()).clamp(min=NO_SHARE).log()
