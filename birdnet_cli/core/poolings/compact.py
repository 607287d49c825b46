"""Compact bilinear pooling, [N, C, h, w] -> [N, d]: random projections of the Gram matrix, then root and l2.

The projections are drawn from a seed by a generator of their own and are buffers: model files store them, so that
predictions do not depend on how a later PyTorch draws random numbers.
"""

import torch
from torch import Tensor, nn

from birdnet_cli.core.ops import compact_bilinear_pool
from birdnet_cli.core.poolings.normalize import l2_normalize, signed_sqrt

__all__ = ["RandomMaclaurin", "TensorSketch"]


class TensorSketch(nn.Module):
    """Count sketches of the two factors, convolved; see `core.ops.compact_bilinear_pool`.

    Args:
        channels: C.
        dim: dimensions of the sketch.
        seed: seed of the hashes.

    Source: Gao, Beijbom, Zhang, Darrell, "Compact Bilinear Pooling", CVPR 2016, algorithm 2; signed root and l2 after
    it as in section 5.
    """

    buckets: Tensor
    signs: Tensor

    def __init__(self, channels: int, *, dim: int, seed: int) -> None:
        super().__init__()
        self.dim = dim
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("buckets", torch.randint(dim, (2, channels), generator=generator))
        self.register_buffer("signs", _random_signs((2, channels), generator))

    def sketch(self, x: Tensor) -> Tensor:
        """Return Tensor[N, d], before root and l2; inner products estimate those of Gram matrices."""
        return compact_bilinear_pool(x, buckets=self.buckets, signs=self.signs, dim=self.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, d], at least float32, for x [N, C, h, w]."""
        return l2_normalize(signed_sqrt(self.sketch(x)))


class RandomMaclaurin(nn.Module):
    """y = sum_p (W1 x_p) * (W2 x_p) / sqrt(d) with random signs W1, W2 [d, C].

    Args:
        channels: C.
        dim: d.
        seed: seed of the signs.

    Source: Gao, Beijbom, Zhang, Darrell, "Compact Bilinear Pooling", CVPR 2016, algorithm 1; Kar and Karnick, "Random
    Feature Maps for Dot Product Kernels", AISTATS 2012.
    """

    projections: Tensor

    def __init__(self, channels: int, *, dim: int, seed: int) -> None:
        super().__init__()
        self.dim = dim
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("projections", _random_signs((2, dim, channels), generator))

    def sketch(self, x: Tensor) -> Tensor:
        """Return Tensor[N, d], before root and l2; inner products estimate those of Gram matrices."""
        maps = x.flatten(2).to(torch.promote_types(x.dtype, torch.float32))  # [N, C, L]
        first, second = self.projections.to(maps.dtype) / self.dim**0.25  # [d, C] each
        # y_k = w1_k G w2_k with the Gram matrix G: the cost does not grow with L. Image by image, since [d, C] is
        # large.
        gram = torch.bmm(maps, maps.mT)  # [N, C, C]
        sketch = maps.new_empty((len(gram), self.dim))
        return torch.stack([((first @ G) * second).sum(1) for G in gram]) if len(gram) else sketch

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, d], at least float32, for x [N, C, h, w]."""
        return l2_normalize(signed_sqrt(self.sketch(x)))


def _random_signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=generator, dtype=torch.int8) * 2 - 1
