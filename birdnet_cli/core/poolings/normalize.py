"""Signed square root and l2 normalization of descriptors [N, D], exact at 0 and with finite gradients there."""

import torch
from torch import Tensor

__all__ = ["l2_normalize", "signed_sqrt"]


def signed_sqrt(x: Tensor) -> Tensor:
    """Return sign(x) sqrt|x|, of the same shape.

    The gradient is 1 / (2 sqrt|x|), and 0 where x is 0 (automatic differentiation of the formula gives NaN there).
    """
    zero = x == 0
    root = torch.where(zero, 1.0, x.abs()).sqrt()
    return torch.where(zero, 0.0, x.sign() * root)


def l2_normalize(x: Tensor) -> Tensor:
    """Return x / ||x|| for each row of x [N, D]; a row of zeros stays zero, with gradient 0."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # [N, 1]
    zero = norm == 0
    return torch.where(zero, 0.0, x / torch.where(zero, 1.0, norm))
