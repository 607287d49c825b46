"""A new HDF5 file whose disk space is reserved before HDF5 writes into it.

When a write fails, HDF5 cannot close the file, tries again at exit and ends the process with SIGSEGV (HDF5 2.0, at
every point of a file size limit). So space is reserved ahead of each write, by a call of ours that can fail cleanly.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import checksum

__all__ = ["NewFile", "create_hdf5"]

# What HDF5 adds to a write for its own index, generously.
SLACK_BYTES = 128 << 10


class NewFile:
    """An HDF5 file under construction; what it lacks of HDF5's methods would write without a reservation."""

    def __init__(self, file: h5py.File, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        self._reserved = 0
        self.reserve(0)

    def reserve(self, size: int) -> None:
        """Have the disk set `size` further bytes aside.

        Raises:
            OSError: it has not as many, or a limit forbids them.
        """
        end = self._file.id.get_filesize() + size + SLACK_BYTES
        if end > self._reserved:
            _allocate(self._descriptor, end)
            self._reserved = end

    def set_attribute(self, key: str, value: np.generic) -> None:
        """Store an attribute of the whole file; text as fixed-length bytes."""
        self.reserve(value.nbytes)
        self._file.attrs.create(key, value)

    def create_group(self, path: str) -> None:
        """Create an empty group."""
        self.reserve(0)
        self._file.create_group(path)

    def write_column(self, path: str, values: NDArray[Any]) -> None:
        """Store a small array whole, with its checksum; bytes are declared UTF-8, for h5py's `asstr()`."""
        self.reserve(values.nbytes)
        dtype = h5py.string_dtype("utf-8", values.dtype.itemsize) if values.dtype.kind == "S" else values.dtype
        dataset = self._file.create_dataset(path, data=values.astype(dtype), dtype=dtype)
        dataset.attrs["crc32"] = checksum(values)

    def create_rows(
        self, path: str, *, shape: tuple[int, int], chunk_rows: int, dtype: str, compress: bool = False
    ) -> h5py.Dataset:
        """Create an empty [N, D] dataset for `write_chunk`.

        Args:
            path: its path in the file.
            shape: N and D.
            chunk_rows: rows per chunk; may exceed N.
            dtype: `float16` or `float32`.
            compress: declare HDF5's shuffle and gzip filters.
        """
        self.reserve(0)
        N, D = shape
        # Only a resizable dataset may have a chunk that is larger than itself.
        return self._file.create_dataset(
            path,
            shape=shape,
            maxshape=(max(N, chunk_rows), D),
            chunks=(chunk_rows, D),
            dtype=dtype,
            **({"shuffle": True, "compression": "gzip", "compression_opts": 1} if compress else {}),
        )

    def write_chunk(self, dataset: h5py.Dataset, row: int, chunk: NDArray[Any] | bytes) -> None:
        """Store one chunk's final bytes, bypassing HDF5's filters.

        Args:
            dataset: from `create_rows`.
            row: first row of the chunk.
            chunk: the whole chunk, contiguous; already filtered where the dataset has filters.

        Raises:
            OSError: the disk has no room for it.
        """
        self.reserve(len(chunk) if isinstance(chunk, bytes) else chunk.nbytes)
        dataset.id.write_direct_chunk((row, 0), chunk)


@contextmanager
def create_hdf5(path: Path) -> Iterator[NewFile]:
    """Create `path` and yield it for writing; it is complete, though not synced, when the context ends.

    Raises:
        OSError: the file cannot be created or written; what is at `path` then is to be removed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _allocate(descriptor, SLACK_BYTES)
        with h5py.File(path, "w", locking=False) as file:
            yield NewFile(file, descriptor)
            file.flush()
            size = file.id.get_filesize()
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    # On a system (macOS) or a file system that cannot reserve, HDF5 meets the full disk itself.
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
