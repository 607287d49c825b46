"""All shards of an extraction -> one finished cache file, in constant memory; then the parts are removed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import read_column
from birdnet_cli.core.cache.layout import chunk_rows, shard_path
from birdnet_cli.core.cache.parts import Parts
from birdnet_cli.core.cache.shard import checked_chunks, open_shard
from birdnet_cli.core.cache.stored_rows import row_crcs
from birdnet_cli.core.cache.writer import ChecksummedRows, ImageColumns, write_cache
from birdnet_cli.core.errors import CacheError, UnknownNameError

__all__ = ["consolidate"]


def consolidate(
    parts: Parts,
    *,
    keep: Sequence[str],
    derived: Mapping[str, tuple[str, NDArray[np.int64]]] | None = None,
    compress: bool = False,
) -> Path:
    """Stream the shards into the finished file, put it in place, and remove the parts.

    Every row is compared with its checksum on the way. The result depends on the plan and the rows alone, not on how
    often the extraction was interrupted.

    Args:
        parts: an extraction without missing shards; closed afterwards.
        keep: descriptors to copy; other descriptors of the plan are left out.
        derived: new descriptor -> the descriptor it is taken from, and the columns [m] to take, in their order.
        compress: shuffle and gzip the descriptors: a third smaller, several times slower to read.

    Returns:
        The finished file.

    Raises:
        UnknownNameError: a descriptor is not in the plan.
        CacheError: a shard is missing or damaged, columns are out of range, or the disk is full; the parts stay.
    """
    plan, derived = parts.plan, derived or {}
    if missing := parts.missing_shards():
        raise CacheError(f"{parts.out}: {len(missing)} of {plan.shards} shards are missing: extract them first")
    for name in (*keep, *(source for source, _ in derived.values())):
        if name not in plan.descriptors:
            raise UnknownNameError(f"descriptor of {parts.out.name}", name, plan.descriptors)
    for name, (source, columns) in derived.items():
        D = plan.descriptors[source]
        if not len(columns) or not 0 <= columns.min() <= columns.max() < D:
            raise CacheError(f"'{name}' takes columns of '{source}' that are not within 0 to {D - 1}")
    rows: dict[str, ChecksummedRows] = {name: _kept_rows(parts, name) for name in keep}
    rows |= {name: _derived_rows(parts, source, columns) for name, (source, columns) in derived.items()}
    dims = {name: plan.descriptors[name] for name in keep}
    dims |= {name: len(columns) for name, (_, columns) in derived.items()}
    images, state = _image_columns(parts), parts.load_state()
    write_cache(parts.out, plan=plan, images=images, state=state, dims=dims, features=rows, compress=compress)
    parts.remove()
    return parts.out


def _kept_rows(parts: Parts, name: str) -> ChecksummedRows:
    for index in range(parts.plan.shards):
        path = shard_path(parts.out, index)
        with open_shard(path, plan=parts.plan, index=index) as file:
            for _, rows, crcs in checked_chunks(file, name, path=path):
                yield rows, crcs


def _derived_rows(parts: Parts, source: str, columns: NDArray[np.int64]) -> ChecksummedRows:
    m = len(columns)
    r = chunk_rows(m, dtype=parts.plan.dtype, rows=parts.plan.rows)
    chunk = np.empty((r, m), parts.plan.dtype)
    filled = 0
    for rows, _ in _kept_rows(parts, source):
        for row in rows:
            # `consolidate` has checked the columns; mode `clip` lets numpy write into `chunk` without a buffer.
            np.take(row, columns, out=chunk[filled], mode="clip")
            filled += 1
            if filled == r:
                yield chunk, row_crcs(chunk)
                filled = 0
    if filled:
        yield chunk[:filled], row_crcs(chunk[:filled])


def _image_columns(parts: Parts) -> ImageColumns:
    found = []
    for index in range(parts.plan.shards):
        with open_shard(shard_path(parts.out, index), plan=parts.plan, index=index) as file:
            found.append([read_column(file[key]) for key in ("status", "error", "sha256")])
    status, errors, sha256 = (np.concatenate(column) for column in zip(*found, strict=True))
    return ImageColumns(status=status, errors=errors, sha256=sha256)
