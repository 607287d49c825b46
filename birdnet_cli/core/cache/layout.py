"""The contents of a feature cache, and the paths of its files.

One row per image, N in all, in the order of the data set; an image that failed keeps its row:

    features/<descriptor>  [N, D] float16 or float32       crc32/<descriptor>  [N] uint32, of each stored row
    path     [N] UTF-8, relative to the data set's root    label   [N] int64, -1 = unlabelled
    split    [N] UTF-8                                     sha256  [N, 32] uint8, of the image file
    status   [N] uint8, 0 = good; else the features are 0  error   [N] UTF-8, why the image failed
    classes  [K] UTF-8, in the order of the labels         state/<descriptor>/<tensor>  fitted by a pooling
    attributes: format_version, fingerprint (JSON), provenance (JSON), samples (sha256 of the list of images)
"""

from pathlib import Path

import numpy as np

from birdnet_cli.core.errors import CacheError

__all__ = [
    "CHUNK_BYTES",
    "DTYPES",
    "FORMAT_VERSION",
    "MAX_DIM",
    "MAX_JSON_BYTES",
    "SHARD_ROWS",
    "STATUS_FAILED",
    "STATUS_OK",
    "check_descriptor",
    "chunk_rows",
    "parts_directory",
    "plan_path",
    "shard_path",
    "state_path",
]

FORMAT_VERSION = 1
SHARD_ROWS = 512
CHUNK_BYTES = 256 * 1024
DTYPES = ("float16", "float32")
STATUS_OK = 0
STATUS_FAILED = 1
# Full bilinear pooling of 4,096 channels. It bounds what a hostile file can make a reader allocate for a row.
MAX_DIM = 1 << 24
# An HDF5 attribute lives in an object header, which ends at 64 KiB.
MAX_JSON_BYTES = 60_000


def chunk_rows(dim: int, *, dtype: str, rows: int) -> int:
    """Return how many rows of D values share an HDF5 chunk: one big row, or a power of two making about 256 KB.

    The number divides `SHARD_ROWS` wherever there is more than one chunk, so that a shard's chunks are the file's.
    """
    fit = max(1, CHUNK_BYTES // (dim * np.dtype(dtype).itemsize))
    return min(1 << (fit.bit_length() - 1), SHARD_ROWS, rows)


def check_descriptor(name: str, dim: int) -> None:
    """Check that a descriptor can be an HDF5 key and has a usable size.

    Raises:
        CacheError: the name cannot be a key, or the size is out of range.
    """
    if not name or "/" in name or name.startswith(".") or not name.isprintable():
        raise CacheError(f"descriptor '{name}': a name is printable, without '/' and without a leading '.'")
    if not 1 <= dim <= MAX_DIM:
        raise CacheError(f"descriptor '{name}' has {dim} dimensions: a cache stores 1 to {MAX_DIM}")


def parts_directory(out: Path) -> Path:
    """Return the folder of an unfinished cache's plan, shards, fitted tensors and lock."""
    return out.with_name(f"{out.name}.parts")


def plan_path(out: Path) -> Path:
    """Return the path of an unfinished cache's plan."""
    return parts_directory(out) / "plan.json"


def state_path(out: Path) -> Path:
    """Return the path of an unfinished cache's fitted tensors."""
    return parts_directory(out) / "state.h5"


def shard_path(out: Path, index: int) -> Path:
    """Return the path of a finished shard."""
    return parts_directory(out) / f"shard-{index:06d}.h5"
