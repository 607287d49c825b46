"""Ways to write bilinear pooling, [N, C, L] -> [N, C*C or C(C+1)/2]."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from birdnet_cli.core.bench.ops.contender import Contender, OpBench, Shape
from birdnet_cli.core.ops import bilinear_pool

__all__ = ["BILINEAR_POOL"]


def _contenders(_channels: int, _device: torch.device) -> Mapping[str, Contender]:
    return {
        "eager": Contender(_eager),
        "fbn": Contender(lambda x: bilinear_pool(x, nonnegative=True)),
        "fbn-signed": Contender(bilinear_pool),
        "compile": Contender(torch.compile(_eager, dynamic=False)),
        "einsum": Contender(_einsum),
        "outer": Contender(_outer, lambda shape: 4 * shape.N * shape.C**2 * shape.L),
    }


def _eager(x: Tensor) -> Tensor:
    """All C*C values, as published code for PyTorch writes it."""
    return _normalize(torch.bmm(x, x.mT))


def _einsum(x: Tensor) -> Tensor:
    return _normalize(torch.einsum("ncl,ndl->ncd", x, x))


def _outer(x: Tensor) -> Tensor:
    """One outer product per position, all of them in memory, then their sum: the form that gave the op its name."""
    N, C, L = x.shape
    positions = x.mT.reshape(N * L, C, 1)
    products = torch.bmm(positions, positions.mT).view(N, L, C, C)
    return functional.normalize(products.sum(1).flatten(1).relu().sqrt())


def _normalize(gram: Tensor) -> Tensor:
    gram = gram.flatten(1)  # [N, C*C]
    return functional.normalize(gram.sign() * gram.abs().sqrt())


def _flops(shape: Shape) -> tuple[int, int]:
    N, C, L = shape
    return N * C * (C + 1) * L, 2 * N * C * C * L


BILINEAR_POOL = OpBench(
    contenders=_contenders,
    flops=_flops,
    shapes=(
        *(Shape(N, 512, L) for N in (1, 8, 32) for L in (196, 784)),
        Shape(32, 144, 784), Shape(32, 256, 784), Shape(8, 2048, 49),
    ),
)  # fmt: skip
