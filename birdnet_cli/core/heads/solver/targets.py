"""What one-vs-rest losses aim at: labels [n] -> signed class indicators [n, K]."""

import torch
from torch import Tensor

__all__ = ["mean_targets", "signed_targets"]


def signed_targets(labels: Tensor, num_classes: int, *, dtype: torch.dtype) -> Tensor:
    """Return 1 at each sample's class and -1 elsewhere. int64 [n] -> [n, K]."""
    targets = torch.full((len(labels), num_classes), -1.0, dtype=dtype, device=labels.device)
    return targets.scatter_(1, labels[:, None], 1.0)


def mean_targets(targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over samples. [n, K], [n, 1] -> [K]."""
    return (weights * targets).sum(dim=0) / weights.sum()
