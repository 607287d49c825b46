"""A shard: the finished rows of up to 512 consecutive images in a file of their own.

It holds these rows of the finished cache (features, crc32, status, error, sha256) in the same chunks, so that they can
be copied raw. A file under its final name is whole, since the rename comes after closing, reading back and fsync; so no
separate list of finished shards is kept, which could disagree with the files.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.cache.columns import encode_texts, read_column
from birdnet_cli.core.cache.layout import STATUS_OK, chunk_rows
from birdnet_cli.core.cache.new_file import NewFile, create_hdf5
from birdnet_cli.core.cache.plan import CachePlan
from birdnet_cli.core.cache.stored_rows import ChunkReader, narrow, row_crcs
from birdnet_cli.core.errors import CacheError, NumericsError

__all__ = ["check_shard", "checked_chunks", "open_shard", "write_shard_file"]

ERROR_BYTES = 1000


def write_shard_file(
    path: Path,
    *,
    plan: CachePlan,
    index: int,
    features: Mapping[str, NDArray[Any]],
    status: NDArray[np.uint8],
    errors: Sequence[str],
    sha256: NDArray[np.uint8],
) -> None:
    """Write shard `index` so that it appears under `path` whole and read back, or not at all.

    Args:
        path: the shard's final name.
        plan: the extraction's plan.
        index: number of the shard, from 0.
        features: descriptor -> [n, D] floating point, unrounded; rows of failed images are stored as zeros.
        status: [n], 0 = good.
        errors: [n] texts, empty for good images; cut after 1,000 bytes.
        sha256: [n, 32] digest of each image file; zeros where the file could not be read.

    Raises:
        CacheError: an argument's shape does not fit the plan, or the written file does not read back.
        NumericsError: a good image's descriptor is not finite or beyond the storage type; the message names the image.
        OSError: the disk refused.
    """
    rows = plan.shard_range(index)
    n = len(rows)
    _check_shapes(plan, n, features=features, status=status, errors=errors, sha256=sha256)
    with replace_atomically(path) as temporary:
        with create_hdf5(temporary) as new:
            for name in plan.descriptors:
                _write_features(new, name, features[name], plan=plan, rows=rows, good=status == STATUS_OK)
            new.write_column("status", np.asarray(status, np.uint8))
            new.write_column("error", encode_texts(_shorten(text) for text in errors))
            new.write_column("sha256", np.asarray(sha256, np.uint8))
        check_shard(temporary, plan=plan, index=index)


@contextmanager
def open_shard(path: Path, *, plan: CachePlan, index: int) -> Iterator[h5py.File]:
    """Yield a shard for reading after checking that its shapes and types are the plan's.

    Raises:
        CacheError: the shard cannot be read, or has another shape.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r", locking=False))
            matches = _matches(file, plan=plan, n=len(plan.shard_range(index)))
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise CacheError(f"{path.name}: cannot be read ({' '.join(str(error).split())[:160]})") from error
        if not matches:
            raise CacheError(f"{path.name}: a dataset differs from its plan in shape or type")
        yield file


def check_shard(path: Path, *, plan: CachePlan, index: int) -> None:
    """Read a shard whole and compare every row and column with its checksum.

    Raises:
        CacheError: the shard cannot be read; or a row or column is damaged, the first of which the message names.
    """
    with open_shard(path, plan=plan, index=index) as file:
        for name in plan.descriptors:
            for _ in checked_chunks(file, name, path=path):
                pass
        for column in ("status", "error", "sha256"):
            read_column(file[column])


def checked_chunks(file: h5py.File, name: str, *, path: Path) -> Iterator[tuple[int, NDArray[Any], NDArray[np.uint32]]]:
    """Yield each chunk of an open shard: its first row's index, stored rows [n, D] and their CRCs [n], compared.

    Raises:
        CacheError: a row does not match its CRC.
    """
    stored = read_column(file[f"crc32/{name}"])
    start = 0
    for raw in ChunkReader(file[f"features/{name}"]):
        crcs = row_crcs(raw)
        if (bad := np.flatnonzero(crcs != stored[start : start + len(raw)])).size:
            raise CacheError(f"{path.name}: row {start + bad[0]} of '{name}' does not match its CRC")
        yield start, raw, crcs
        start += len(raw)


def _matches(file: h5py.File, *, plan: CachePlan, n: int) -> bool:
    for name, D in plan.descriptors.items():
        dataset = file[f"features/{name}"]
        chunk = (chunk_rows(D, dtype=plan.dtype, rows=plan.rows), D)
        found = (dataset.shape, dataset.dtype.name, dataset.chunks, file[f"crc32/{name}"].shape)
        if found != ((n, D), plan.dtype, chunk, (n,)):
            return False
    return bool(file["status"].shape == file["error"].shape == (n,) and file["sha256"].shape == (n, 32))


def _check_shapes(
    plan: CachePlan,
    n: int,
    *,
    features: Mapping[str, NDArray[Any]],
    status: NDArray[np.uint8],
    errors: Sequence[str],
    sha256: NDArray[np.uint8],
) -> None:
    expected: dict[str, tuple[int, ...]] = {"sha256": (n, 32), "status": (n,), "errors": (n,)}
    expected |= {name: (n, D) for name, D in plan.descriptors.items()}
    found = {"sha256": sha256.shape, "status": status.shape, "errors": (len(errors),)}
    found |= {name: values.shape for name, values in features.items()}
    if found != expected:
        raise CacheError(f"a shard was given shapes {found}, its plan says {expected}")


def _write_features(
    new: NewFile, name: str, values: NDArray[Any], *, plan: CachePlan, rows: range, good: NDArray[np.bool_]
) -> None:
    n, D = values.shape
    r = chunk_rows(D, dtype=plan.dtype, rows=plan.rows)
    dataset = new.create_rows(f"features/{name}", shape=(n, D), chunk_rows=r, dtype=plan.dtype)
    crcs = np.zeros(n, np.uint32)
    for start in range(0, n, r):
        chunk = np.zeros((r, D), plan.dtype)
        for row in range(start, min(start + r, n)):
            if good[row] and (reason := narrow(values[row : row + 1], chunk[row - start : row - start + 1])):
                raise NumericsError(f"{plan.names[rows[row]]}: its descriptor '{name}' {reason}")
        new.write_chunk(dataset, start, chunk)
        crcs[start : start + r] = row_crcs(chunk[: n - start])
    new.write_column(f"crc32/{name}", crcs)


def _shorten(text: str) -> str:
    data = text.replace("\0", "\\0").encode("utf-8", "surrogateescape")
    return data[:ERROR_BYTES].decode("utf-8", "ignore" if len(data) > ERROR_BYTES else "surrogateescape")
