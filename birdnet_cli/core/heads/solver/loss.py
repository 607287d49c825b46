"""What the solver asks of a loss, weighted sum over samples of a convex function of the logits [n, K]."""

from typing import Protocol

from torch import Tensor

__all__ = ["Loss"]


class Loss(Protocol):
    """Weighted sum over samples of a convex function of the logits [n, K].

    Attributes:
        separable: a sum over classes as well, so that each class is a problem of its own.
    """

    separable: bool

    def value(self, logits: Tensor) -> Tensor:
        """Return the sum, a float64 scalar."""

    def gradient(self, logits: Tensor) -> Tensor:
        """Return its derivative. [n, K] -> [n, K]."""

    def curvature(self, logits: Tensor) -> Tensor:
        """Return what the second derivative at `logits` is made of, [n, K], one column per class."""

    def bend(self, curvature: Tensor, direction: Tensor) -> Tensor:
        """Return the second derivative's product with a direction. [n, k], [n, k] -> [n, k].

        Of a separable loss it is asked for some classes alone: k columns of both.
        """

    def trace(self, curvature: Tensor) -> Tensor:
        """Return the sum over samples of the second derivative's diagonal. [n, K] -> [K]."""

    def initial_bias(self) -> Tensor:
        """Return about the best bias without any weights, [K]."""
