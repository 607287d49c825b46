"""Any rows of a descriptor -> float32 blocks [n, D], in the order asked for, in constant memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.stored_rows import ChunkReader, is_finite, row_crcs, widen
from birdnet_cli.core.errors import CacheError

__all__ = ["stream_rows"]

REPAIR = "`fbn cache verify --repair` computes it again"


def stream_rows(
    reader: ChunkReader, wanted: NDArray[np.int64], *, block_rows: int, crcs: NDArray[np.uint32] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield blocks of rows.

    Args:
        reader: the stored rows.
        wanted: [n] indices in 0 .. N-1, in any order.
        block_rows: rows per block.
        crcs: [N] checksums of the stored rows, to compare them with; None compares nothing.

    Yields:
        Consecutive positions [n] in `wanted`, and their rows [n, D], overwritten by the next step.

    Raises:
        CacheError: a row cannot be read, does not match its checksum, or is not finite.
    """
    out = np.empty((min(block_rows, len(wanted)), reader.dim), np.float32)
    for start in range(0, len(wanted), block_rows):
        part = wanted[start : start + block_rows]
        # Within a block each chunk is read once, in the file's order.
        order = np.argsort(part, kind="stable")
        owner = part[order] // reader.chunk_rows
        for members in np.split(order, np.flatnonzero(np.diff(owner)) + 1):
            _gather(reader, part[members], members, out=out, crcs=crcs)
        yield np.arange(start, start + len(part)), out[: len(part)]


def _gather(
    reader: ChunkReader,
    rows: NDArray[np.int64],
    members: NDArray[np.int64],
    *,
    out: NDArray[np.float32],
    crcs: NDArray[np.uint32] | None,
) -> None:
    """Copy `rows`, ascending and all in the same chunk, to the rows `members` of `out`."""
    index, first = divmod(int(rows[0]), reader.chunk_rows)
    offsets = rows - rows[0]
    used = reader.chunk(index)[first : first + offsets[-1] + 1]
    if crcs is not None and (bad := np.flatnonzero(row_crcs(used)[offsets] != crcs[rows])).size:
        raise CacheError(f"row {rows[bad[0]]} of '{reader.name}' does not match its checksum: {REPAIR}")
    if not is_finite(used):
        raise CacheError(f"'{reader.name}' is not finite in rows {rows[0]} to {rows[-1]}: {REPAIR}")
    if len(used) == len(members) == 1:
        widen(used, out[members[0] : members[0] + 1])
    else:
        wide = np.empty(used.shape, np.float32)
        widen(used, wide)
        out[members] = wide[offsets]
