"""Rows in blocks with a Cholesky basis each, for data too large for one kernel matrix: [N, D] -> L_B [n, n] per block.

The rows of a block are taken from all parts of the file, in runs: files list class after class, and a block of a single
class would only learn a bias that the next block undoes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.basis import check_spread, factor_kernel
from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, centred_blocks

__all__ = ["RowBlocks", "build_blocks", "spread_order"]

# Limits of a block: its float32 rows are in memory together, and its factor L_B stays in memory.
BLOCK_BYTES, BLOCK_ROWS = 128 * 2**20, 1024
# Longer runs would leave too few runs for a block.
LONGEST_RUN = 16
# Square of the constant feature (see `block_ascent`), in mean squared norms: CONSTANT / N, at most LARGEST_CONSTANT.
# With a smaller value sum_i a_i stays far from 0 for longer; a larger value couples the blocks, and W takes more
# passes.
CONSTANT, LARGEST_CONSTANT = 100.0, 0.02


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """The rows of block coordinate ascent, with the factor of each block.

    Attributes:
        source: the raw rows, in the order of the blocks.
        moments: their mean and scale.
        block_rows: rows per block; the last may have fewer.
        factors: L of each block, L L^T = X X^T + constant_square, float32 [n, n].
        mean_squared_norm: mean squared norm of the centred (and scaled) rows.
        constant_square: square of the constant feature that is added to every row.
        jitter: largest jitter of a block, as a fraction of the mean squared norm.
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


def spread_order(source: RowSource) -> npt.NDArray[np.int64]:
    """Return an order of all rows, int64 [N], in which every block has runs from all parts of the source."""
    run = max(1, min(source.run, LONGEST_RUN))
    starts = np.arange(0, source.rows, run)
    blocks = -(-source.rows // _rows_per_block(source))
    spread = np.concatenate([starts[block::blocks] for block in range(blocks)])
    order = (spread[:, None] + np.arange(run)).reshape(-1)
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
