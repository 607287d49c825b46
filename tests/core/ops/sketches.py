"""Inputs of `compact_bilinear_pool`, and the gradient of a weighted sum of its sketches."""

import torch
from torch import Tensor

__all__ = ["gradient_of", "inputs"]


def inputs(N: int, C: int, L: int, dim: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, dict]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, C, L, generator=generator, dtype=torch.float64).to(dtype)
    buckets = torch.randint(dim, (2, C), generator=generator)
    signs = torch.randint(2, (2, C), generator=generator, dtype=torch.int8) * 2 - 1
    return x, {"buckets": buckets, "signs": signs, "dim": dim}


def gradient_of(x: Tensor, function, **hashes) -> Tensor:
    x = x.detach().requires_grad_()
    y = function(x, **hashes)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (y * weights.to(y.dtype)).sum().backward()
    assert x.grad is not None
    return x.grad
