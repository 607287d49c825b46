"""Rows too many for one kernel matrix, in blocks that each have a basis of their own: [N, D] -> L_B [n, n] per block.

A block is dealt from the whole file, run by run, as cards are: files list one class after another, and a block of one
class would learn nothing that its neighbours do not undo.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.basis import check_spread, factor_kernel
from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, centred_blocks

__all__ = ["RowBlocks", "build_blocks", "dealt_order"]

# A block is held whole in float32, and its factor in memory for good.
BLOCK_BYTES, BLOCK_ROWS = 128 * 2**20, 1024
# Runs longer than this would leave a block with too few of them.
LONGEST_RUN = 16
# The constant feature's square, in mean squared norms (over N): see `block_ascent`. A smaller one leaves sum_i a_i far
# from 0 for longer; a larger one ties the blocks to each other, so that W takes more passes.
CONSTANT, LARGEST_CONSTANT = 100.0, 0.02


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """The rows as block coordinate ascent sees them.

    Attributes:
        source: the raw rows, in the order of the blocks.
        moments: their mean and scale.
        block_rows: rows per block; the last may have fewer.
        factors: L of each block, L L^T = X X^T + constant_square, float32 [n, n].
        mean_squared_norm: of the centred (and scaled) rows.
        constant_square: square of the constant feature that every row has beside its own.
        jitter: the largest that a block needed, as a fraction of the mean squared norm.
    """

    source: RowSource
    moments: Moments
    block_rows: int
    factors: tuple[Tensor, ...]
    mean_squared_norm: float
    constant_square: float
    jitter: float

    @property
    def device(self) -> torch.device:
        """Where the factors lie and products are computed."""
        return self.factors[0].device

    def read(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield (place, centred and scaled rows [n, D], L [n, n]) of each block in order; rows share one buffer."""
        blocks = centred_blocks(self.source, self.moments, block_rows=self.block_rows)
        for (place, rows), factor in zip(blocks, self.factors, strict=True):
            yield place, rows.to(self.device), factor


def dealt_order(source: RowSource) -> npt.NDArray[np.int64]:
    """Return the order of rows in which consecutive blocks are dealt from the whole source, a run at a time."""
    run = max(1, min(source.run, LONGEST_RUN))
    starts = np.arange(0, source.rows, run)
    piles = -(-source.rows // _rows_per_block(source))
    dealt = np.concatenate([starts[pile::piles] for pile in range(piles)])
    order = (dealt[:, None] + np.arange(run)).reshape(-1)
    return order[order < source.rows]


def build_blocks(
    source: RowSource, moments: Moments, *, device: torch.device | None = None, progress: Callable[[float], None]
) -> RowBlocks:
    """Factor the kernel matrix of every block, in one pass.

    Raises:
        DataError: all rows are equal.
        NumericsError: a block's kernel matrix has no Cholesky factorisation, even with the largest jitter.
    """
    block_rows = _rows_per_block(source)
    kernels = []
    for place, rows in centred_blocks(source, moments, block_rows=block_rows):
        rows = rows.to(device)
        kernels.append(rows @ rows.mT)
        progress(place.stop / source.rows)
    trace = sum(kernel.diagonal().sum(dtype=torch.float64).item() for kernel in kernels)
    mean_squared_norm = check_spread(trace / source.rows)
    constant_square = min(CONSTANT / source.rows, LARGEST_CONSTANT) * mean_squared_norm
    factors, jitters = zip(
        *(factor_kernel(kernel.add_(constant_square), mean_squared_norm=mean_squared_norm) for kernel in kernels),
        strict=True,
    )
    return RowBlocks(source, moments, block_rows, factors, mean_squared_norm, constant_square, max(jitters))


def _rows_per_block(source: RowSource) -> int:
    return max(1, min(BLOCK_ROWS, source.rows, BLOCK_BYTES // (4 * max(source.dim, 1))))
