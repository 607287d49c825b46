"""Kernel matrix of centred rows, M = X X^T [N, N], streamed from rows [N, D] that do not fit into memory.

A block of rows of at most `HELD_BYTES` is held while the rows before it are read in chunks; the same pass then loads
the next block into its place. So b blocks cost less than (b + 3) / 2 reads of the data, only the products of the lower
triangle are computed, and the memory besides M is the held block and a chunk.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, centred_chunks

__all__ = ["kernel_matrix"]

HELD_BYTES = 128 * 2**20


def kernel_matrix(
    source: RowSource,
    moments: Moments,
    *,
    device: torch.device | None = None,
    held_bytes: int = HELD_BYTES,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Tensor:
    """Return the float32 [N, N] matrix of inner products of the centred, scaled rows.

    The mean is subtracted from the rows and not from the finished matrix: the mean is most of a descriptor's norm, and
    subtracting it from float32 products would cancel the digits that distinguish the classes. Products in bfloat16 are
    three times as fast, but leave 1,000 times the noise: at hard margins the objective would miss its minimum by more
    than 1e-4.

    Args:
        source: raw rows.
        moments: their mean and scale.
        device: where the products are computed and the matrix lies; None is the CPU.
        held_bytes: size of the held block.
        progress: called with the finished fraction of the products.
    """
    N = source.rows
    capacity = max(1, min(N, held_bytes // (4 * max(source.dim, 1))))
    kernel = torch.empty(N, N, device=device)
    held_rows = torch.empty(capacity, source.dim, device=device)
    blocks = [range(first, min(first + capacity, N)) for first in range(0, N, capacity)]
    for held, following in zip([range(0), *blocks], [*blocks, range(0)], strict=True):
        for start, chunk in centred_chunks(source, moments, stop=following.stop or held.start):
            rows = chunk.to(kernel.device)
            earlier = rows[: max(held.start - start, 0)]
            if len(earlier):
                _fill(kernel, held_rows[: len(held)], earlier, at=(held.start, start))
            loaded = rows[max(following.start - start, 0) : following.stop - start] if following else rows[:0]
            if len(loaded):
                first = max(start, following.start)
                filled = first - following.start + len(loaded)
                held_rows[filled - len(loaded) : filled] = loaded
                _fill(kernel, held_rows[:filled], loaded, at=(following.start, first))
        progress((held.stop / N) ** 2)
    return kernel


def _fill(kernel: Tensor, held: Tensor, streamed: Tensor, *, at: tuple[int, int]) -> None:
    """Put the products of two runs of rows, which begin at `at`, into their place and its mirror image."""
    products = held @ streamed.mT
    first, second = (slice(start, start + len(rows)) for start, rows in zip(at, (held, streamed), strict=True))
    kernel[first, second] = products
    kernel[second, first] = products.mT
