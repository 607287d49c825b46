"""Registry: the name of a head -> its loss; and the weights of its samples."""

from collections.abc import Callable

import torch
from torch import Tensor

from birdnet_cli.core.errors import UnknownNameError
from birdnet_cli.core.heads.solver.loss import Loss
from birdnet_cli.core.heads.solver.one_vs_rest import RidgeLoss, SquaredHingeLoss
from birdnet_cli.core.heads.solver.softmax import SoftmaxLoss

__all__ = ["create_loss", "list_heads", "sample_weights"]

LOSSES: dict[str, Callable[..., Loss]] = {"ridge": RidgeLoss, "softmax": SoftmaxLoss, "svm": SquaredHingeLoss}


def list_heads() -> tuple[str, ...]:
    """Return the names of the heads, in alphabetical order."""
    return tuple(LOSSES)


def create_loss(head: str, labels: Tensor, *, num_classes: int, weights: Tensor) -> Loss:
    """Return the loss that a head minimises.

    Args:
        head: one of `list_heads`.
        labels: int64 [n] in 0 .. K-1.
        num_classes: K.
        weights: weights of the samples, float64 [n].

    Raises:
        UnknownNameError: no such head.
    """
    if head not in LOSSES:
        raise UnknownNameError("head", head, LOSSES)
    return LOSSES[head](labels, num_classes=num_classes, weights=weights)


def sample_weights(labels: Tensor, *, balanced: bool) -> Tensor:
    """Return each sample's weight: 1, or if balanced n / (K' * n_k). int64 [n] -> float64 [n].

    K' is the number of classes present and n_k the number of samples of the sample's class.
    """
    if not balanced:
        return torch.ones(len(labels), dtype=torch.float64, device=labels.device)
    _, inverse, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    per_class: Tensor = len(labels) / (len(counts) * counts.double())
    return per_class[inverse]
