"""Find the damaged rows of a finished cache, and replace rows by writing the file anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import encode_texts
from birdnet_cli.core.cache.plan import CachePlan
from birdnet_cli.core.cache.reader import FeatureCache
from birdnet_cli.core.cache.stored_rows import ChunkReader, is_finite, narrow, row_crcs
from birdnet_cli.core.cache.writer import ChecksummedRows, ImageColumns, write_cache
from birdnet_cli.core.errors import CacheError, NumericsError

__all__ = ["DamagedRow", "replace_rows", "verify_cache"]


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row whose stored bytes do not match their checksum, cannot be read or are not finite.

    Attributes:
        descriptor: name of the descriptor.
        row: index of the row.
        name: the image, as in `FeatureCache.names`.
    """

    descriptor: str
    row: int
    name: str


def verify_cache(path: Path, *, on_rows: Callable[[int], None] | None = None) -> list[DamagedRow]:
    """Read the whole cache and compare every row and column with its checksum.

    Args:
        path: a finished cache.
        on_rows: called with the number of rows read since the last call; their sum is N times the descriptors.

    Returns:
        The damaged rows, by descriptor and row.

    Raises:
        CacheError: the structure or a small column is damaged, which `replace_rows` cannot repair: extract again.
    """
    damaged = []
    with FeatureCache.open(path) as cache:
        for column in ("path", "label", "split", "classes", "status", "error", "sha256"):
            cache.column(column)
        for name in cache.descriptors:
            cache.state(name)
            crcs, reader = cache.column(f"crc32/{name}"), cache.chunk_reader(name)
            for index in range(reader.chunks):
                start = index * reader.chunk_rows
                expected = crcs[start : start + reader.chunk_rows]
                for offset in _damaged_offsets(reader, index, expected):
                    damaged.append(DamagedRow(name, start + offset, cache.names[start + offset]))
                if on_rows is not None:
                    on_rows(len(expected))
    return damaged


def replace_rows(path: Path, rows: Mapping[str, Mapping[int, NDArray[Any]]]) -> None:
    """Write a copy of a cache in which some rows are new, and put it in the place of the old one.

    Every other row keeps its bytes and its checksum, so that damage which is not replaced is still found.

    Args:
        path: a finished cache.
        rows: descriptor -> row -> its new values [D], floating point, unrounded.

    Raises:
        UnknownNameError: no such descriptor.
        CacheError: a row is out of range or of another shape, or the disk is full; the old file stays.
        NumericsError: a value is not finite or overflows; the message names the image.
    """
    with FeatureCache.open(path) as cache:
        for name, replaced in rows.items():
            reader = cache.chunk_reader(name)
            for row, values in replaced.items():
                if not 0 <= row < cache.rows or values.shape != (reader.dim,):
                    raise CacheError(f"{path}: row {row} {values.shape} of '{name}' [{cache.rows}, {reader.dim}]")
        plan = CachePlan(
            names=cache.names,
            labels=tuple(cache.labels.tolist()),
            splits=cache.splits,
            classes=cache.classes,
            descriptors=cache.descriptors,
            dtype=cache.dtype,
            fingerprint=cache.fingerprint,
            provenance=cache.provenance,
        )
        write_cache(
            path,
            plan=plan,
            images=ImageColumns(status=cache.status, errors=encode_texts(cache.errors), sha256=cache.sha256),
            state={name: tensors for name in cache.descriptors if (tensors := cache.state(name))},
            dims=cache.descriptors,
            features={name: _replaced_rows(cache, name, rows.get(name, {})) for name in cache.descriptors},
            compress=cache.compressed,
        )


def _damaged_offsets(reader: ChunkReader, index: int, expected: NDArray[np.uint32]) -> list[int]:
    try:
        stored = reader.chunk(index)
    except CacheError:
        return list(range(len(expected)))
    differs = row_crcs(stored) != expected
    if not differs.any() and is_finite(stored):
        return []
    return [offset for offset, row in enumerate(stored) if differs[offset] or not is_finite(row)]


def _replaced_rows(cache: FeatureCache, name: str, replaced: Mapping[int, NDArray[Any]]) -> ChecksummedRows:
    crcs, reader = cache.column(f"crc32/{name}"), cache.chunk_reader(name)
    for index in range(reader.chunks):
        start = index * reader.chunk_rows
        checksums = crcs[start : start + reader.chunk_rows]
        try:
            stored = reader.chunk(index)
        except CacheError:
            # Zeros do not match the old checksums, so rows that are not replaced below are still found damaged.
            stored = np.zeros((len(checksums), reader.dim), reader.dtype)
        for row in range(start, start + len(stored)):
            if row in replaced:
                new = stored[row - start : row - start + 1]
                if reason := narrow(replaced[row][np.newaxis], new):
                    raise NumericsError(f"{cache.names[row]}: its descriptor '{name}' {reason}")
                checksums[row - start] = row_crcs(new)[0]
        yield stored, checksums
