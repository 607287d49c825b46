"""The interface of a loss to the solver."""

from typing import Protocol

from torch import Tensor

__all__ = ["Loss"]


class Loss(Protocol):
    """Weighted sum over samples of a convex function of the logits [n, K].

    Attributes:
        separable: the loss is a sum over classes, so that each class is a problem of its own.
    """

    separable: bool

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""

    def gradient(self, logits: Tensor) -> Tensor:
        """Return its derivative. [n, K] -> [n, K]."""

    def curvature(self, logits: Tensor) -> Tensor:
        """Return the values from which `hessian_product` and `trace` are computed, [n, K], a column for each class."""

    def hessian_product(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return the product of the second derivative with a direction. [n, k], [n, k] -> [n, k].

        For a separable loss, k may be a subset of the classes: the same columns of both arguments.
        """

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples of the second derivative's diagonal. [n, K] -> [K]."""

    def initial_bias(self) -> Tensor:
        """Return an approximation of the best bias at W = 0, [K]."""
