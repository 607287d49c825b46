"""Write a finished cache file, whole or not at all, from streams of stored rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.cache.columns import encode_texts
from birdnet_cli.core.cache.disk import disk_error, estimate_space, require_space
from birdnet_cli.core.cache.fitted_tensors import FittedTensors, write_fitted_tensors
from birdnet_cli.core.cache.layout import FORMAT_VERSION, chunk_rows
from birdnet_cli.core.cache.new_file import NewFile, create_hdf5
from birdnet_cli.core.cache.plan import CachePlan, to_attribute
from birdnet_cli.core.cache.reader import FeatureCache
from birdnet_cli.core.cache.stored_rows import compress_chunk
from birdnet_cli.core.errors import CacheError

__all__ = ["ChecksummedRows", "ImageColumns", "write_cache"]

# Stored rows [n, D] and their checksums [n]; every n but the last is the chunk size of that D.
ChecksummedRows: TypeAlias = Iterable[tuple[NDArray[Any], NDArray[np.uint32]]]


@dataclass(frozen=True)
class ImageColumns:
    """The columns, other than descriptors, that reading the images produced.

    Attributes:
        status: [N] uint8, 0 = good.
        errors: [N] fixed-length UTF-8.
        sha256: [N, 32] uint8.
    """

    status: NDArray[np.uint8]
    errors: NDArray[np.bytes_]
    sha256: NDArray[np.uint8]


def write_cache(
    out: Path,
    *,
    plan: CachePlan,
    images: ImageColumns,
    state: FittedTensors,
    dims: Mapping[str, int],
    features: Mapping[str, ChecksummedRows],
    compress: bool,
) -> None:
    """Write the finished cache, check it, and put it in the place of an older file.

    Args:
        out: the finished cache.
        plan: names, labels, splits, classes, fingerprint and provenance; its descriptors are not used.
        images: the outcome of reading each image.
        state: fitted tensors.
        dims: descriptor -> D.
        features: descriptor -> its rows, in order; read once, a chunk at a time.
        compress: gzip the descriptors.

    Raises:
        CacheError: the disk is full, or the written file does not read back.
    """
    needed = estimate_space(plan, final=dims).final
    if not compress:
        require_space(out, needed)
    try:
        with replace_atomically(out) as temporary:
            with create_hdf5(temporary) as new:
                _write_columns(new, plan, images)
                write_fitted_tensors(new, state)
                for name, D in dims.items():
                    _write_features(new, name, features[name], D=D, plan=plan, compress=compress)
            with FeatureCache.open(temporary) as cache:
                if cache.descriptors != dims or cache.rows != plan.rows:
                    raise CacheError(f"{out}: the written file does not read back; rerun the same command")
    except OSError as error:
        raise disk_error(out, error, needed=needed) from error


def _write_columns(new: NewFile, plan: CachePlan, images: ImageColumns) -> None:
    new.set_attribute("format_version", np.int64(FORMAT_VERSION))
    for key, text in (
        ("fingerprint", to_attribute("fingerprint", plan.fingerprint)),
        ("provenance", to_attribute("provenance", plan.provenance)),
        ("samples", plan.samples()),
    ):
        new.set_attribute(key, np.bytes_(text.encode()))
    for key, texts in (("path", plan.names), ("split", plan.splits), ("classes", plan.classes)):
        new.write_column(key, encode_texts(texts))
    new.write_column("label", np.array(plan.labels, np.int64))
    for key, values in (("status", images.status), ("error", images.errors), ("sha256", images.sha256)):
        new.write_column(key, values)


def _write_features(new: NewFile, name: str, rows: ChecksummedRows, *, D: int, plan: CachePlan, compress: bool) -> None:
    r = chunk_rows(D, dtype=plan.dtype, rows=plan.rows)
    dataset = new.create_rows(
        f"features/{name}", shape=(plan.rows, D), chunk_rows=r, dtype=plan.dtype, compress=compress
    )
    crcs = np.zeros(plan.rows, np.uint32)
    start = 0
    for stored, checksums in rows:
        chunk = stored
        if len(stored) < r:
            chunk = np.zeros((r, D), plan.dtype)
            chunk[: len(stored)] = stored
        new.write_chunk(dataset, start, compress_chunk(chunk) if compress else chunk)
        crcs[start : start + len(stored)] = checksums
        start += len(stored)
    new.write_column(f"crc32/{name}", crcs)
