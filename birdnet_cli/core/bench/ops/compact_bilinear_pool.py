"""Ways to write compact bilinear pooling by Tensor Sketch, [N, C, L] -> [N, 8192]."""

from collections.abc import Mapping

import torch
from torch import Tensor

from birdnet_cli.core.bench.ops.contender import Contender, OpBench, Shape
from birdnet_cli.core.ops import compact_bilinear_pool

__all__ = ["COMPACT_BILINEAR_POOL"]

DIM = 8192


def _contenders(channels: int, device: torch.device) -> Mapping[str, Contender]:
    generator = torch.Generator().manual_seed(0)
    buckets = torch.randint(DIM, (2, channels), generator=generator).to(device)
    signs = (torch.randint(2, (2, channels), generator=generator) * 2 - 1).to(device)

    def sketch(x: Tensor) -> tuple[Tensor, Tensor]:
        # The count sketches of every position, [N, L, d] each.
        N, C, L = x.shape
        rows = x.mT.float().reshape(N * L, C)
        first, second = (rows.new_zeros(N * L, DIM).index_add(1, buckets[k], rows * signs[k]) for k in (0, 1))
        return first.view(N, L, DIM), second.view(N, L, DIM)

    def fft(x: Tensor) -> Tensor:
        # As it is usually published: three transforms per position.
        first, second = sketch(x)
        y: Tensor = torch.fft.ifft(torch.fft.fft(first) * torch.fft.fft(second))
        return y.real.sum(1)

    def rfft(x: Tensor) -> Tensor:
        # The same with half the spectrum, and one inverse per image.
        first, second = sketch(x)
        y: Tensor = torch.fft.irfft((torch.fft.rfft(first) * torch.fft.rfft(second)).sum(1), n=DIM)
        return y

    def gram(x: Tensor) -> Tensor:
        x = x.float()
        products = torch.bmm(x, x.mT) * signs[0, :, None] * signs[1]  # [N, C, C]
        bucket = (buckets[0, :, None] + buckets[1]) % DIM
        return products.new_zeros(len(x), DIM).index_add(1, bucket.flatten(), products.flatten(1))

    def positions(shape: Shape) -> int:
        return 8 * shape.N * shape.L * DIM

    return {
        "eager": Contender(gram),
        "fbn": Contender(lambda x: compact_bilinear_pool(x, buckets=buckets, signs=signs, dim=DIM)),
        "fft": Contender(fft, positions),
        "rfft": Contender(rfft, positions),
    }


def _flops(shape: Shape) -> tuple[int, int]:
    N, C, L = shape
    return N * C * (C + 1) * L, 2 * N * C * C * L


COMPACT_BILINEAR_POOL = OpBench(
    contenders=_contenders,
    flops=_flops,
    shapes=(Shape(1, 512, 196), Shape(8, 512, 196), Shape(32, 512, 784)),
)
