"""Rows of descriptors, streamed in order: raw float32 blocks [n, D] -> checked, centred and scaled chunks.

The solver gets (row - mean) * scale, a few rows at a time, in one buffer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.errors import DataError, NumericsError

__all__ = ["Moments", "RowSource", "centred_blocks", "centred_chunks", "measure_moments"]

# Size of a chunk, the smaller operand of the kernel's products.
CHUNK_BYTES = 64 * 2**20

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class RowSource(Protocol):
    """Descriptors [N, D] that can be read in order as often as needed, without being held in memory."""

    @property
    def rows(self) -> int:
        """Number of rows, N."""

    @property
    def dim(self) -> int:
        """Number of features, D."""

    def blocks(self) -> Iterator[tuple[int, FloatArray]]:
        """Start again at row 0 and yield (index of the first row, float32 [n, D]) in order, without gaps.

        A block is valid until the next block is requested and is not modified, so that a source may reuse one buffer.
        """

    @property
    def run(self) -> int:
        """Number of rows that storage keeps together: reading one of them costs as much as reading all."""

    def reordered(self, order: IntArray) -> "RowSource":
        """Return a source of the rows at `order`, some or all of 0 .. N-1, in that order."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and scale of the rows; solvers work on (row - mean) * scale.

    Attributes:
        mean: float32 [D].
        scale: float32 [D], 1 / standard deviation, and exactly 0 for a constant feature; None without scaling.
    """

    mean: FloatArray
    scale: FloatArray | None


def measure_moments(source: RowSource, *, standardize: bool) -> Moments:
    """Return the mean of the rows, and with `standardize` their scale: one pass, or two with the scale.

    Args:
        source: raw rows [N, D].
        standardize: compute the scale.

    Raises:
        NumericsError: a value is NaN or infinite; the message names its row and feature.
        DataError: the source yields fewer or more rows than it states.
    """
    total = np.zeros(source.dim, np.float64)
    seen = 0
    for start, rows in _chunks(source):
        with np.errstate(over="ignore", invalid="ignore"):
            sums = rows.sum(axis=0)
        if not np.isfinite(sums).all():
            _refuse_non_finite(start, rows)
        total += sums
        seen += len(rows)
    if seen != source.rows:
        raise DataError(f"expected {source.rows} rows of descriptors, the source yielded {seen}: extract them again")
    mean = (total / max(seen, 1)).astype(np.float32)
    return Moments(mean, _measure_scale(source, mean) if standardize else None)


def centred_chunks(source: RowSource, moments: Moments, *, stop: int | None = None) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first row, float32 [n, D] centred and scaled) in order, up to row `stop`.

    Each tensor is a view of one buffer of at most `CHUNK_BYTES` and is overwritten by the next.
    """
    stop = source.rows if stop is None else stop
    buffer = np.empty((_rows_per_chunk(source), source.dim), np.float32)
    for start, rows in _chunks(source):
        if start >= stop:
            return
        chunk = np.subtract(rows[: stop - start], moments.mean, out=buffer[: min(len(rows), stop - start)])
        if moments.scale is not None:
            chunk *= moments.scale
        yield start, torch.from_numpy(chunk)


def centred_blocks(source: RowSource, moments: Moments, *, block_rows: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield (place, float32 [n, D] centred and scaled) in order, n = `block_rows` but for the last.

    The tensors are views of one buffer.
    """
    block = torch.empty(min(block_rows, source.rows), source.dim)
    done = 0
    for start, chunk in centred_chunks(source, moments):
        for part in _cut(chunk, first=block_rows - start % block_rows, step=block_rows):
            held = done % block_rows
            block[held : held + len(part)] = part
            done += len(part)
            if done % block_rows == 0 or done == source.rows:
                first = (done - 1) // block_rows * block_rows
                yield slice(first, done), block[: done - first]


def _cut(chunk: Tensor, *, first: int, step: int) -> Iterator[Tensor]:
    """Cut after `first` rows, and then after every `step`."""
    for start in (0, *range(first, len(chunk), step)):
        yield chunk[start : first if start == 0 else start + step]


def _chunks(source: RowSource) -> Iterator[tuple[int, FloatArray]]:
    step = _rows_per_chunk(source)
    for start, block in source.blocks():
        for first in range(0, len(block), step):
            yield start + first, block[first : first + step]


def _rows_per_chunk(source: RowSource) -> int:
    return max(1, min(source.rows, CHUNK_BYTES // (4 * max(source.dim, 1))))


def _measure_scale(source: RowSource, mean: FloatArray) -> FloatArray:
    squares = np.zeros(source.dim, np.float64)
    first: FloatArray | None = None
    varies = np.zeros(source.dim, np.bool_)
    for _, rows in _chunks(source):
        first = rows[0].copy() if first is None else first
        varies |= (rows != first).any(axis=0)
        squares += np.square(rows - mean, dtype=np.float64).sum(axis=0)
    scale = np.zeros(source.dim, np.float64)
    np.divide(1.0, np.sqrt(squares / max(source.rows, 1)), out=scale, where=varies & (squares > 0))
    return scale.astype(np.float32)


def _refuse_non_finite(start: int, rows: FloatArray) -> None:
    finite = np.isfinite(rows)
    bad = np.flatnonzero(~finite.all(axis=1))
    if len(bad):
        feature = int(np.flatnonzero(~finite[bad[0]])[0])
        raise NumericsError(
            f"row {start + bad[0]} of the descriptors: expected finite values, got {rows[bad[0], feature]} at feature "
            f"{feature}: verify the cache, or extract that image again"
        )
    raise NumericsError(
        f"rows {start} to {start + len(rows) - 1} of the descriptors: the sum of a feature overflows float32: "
        "scale the descriptors down"
    )
