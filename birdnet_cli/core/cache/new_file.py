"""A new HDF5 file whose disk errors are raised, as OSError, by the call that caused them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import checksum
from birdnet_cli.core.cache.deferring_file import DeferringFile

__all__ = ["NewFile", "create_hdf5"]


class NewFile:
    """An HDF5 file under construction.

    Every method raises the OSError of a disk that refused to write. HDF5 writes some data only when the file closes;
    `create_hdf5` raises an error of that.
    """

    def __init__(self, file: h5py.File, disk: DeferringFile) -> None:
        self._file = file
        self._disk = disk

    def set_attribute(self, key: str, value: np.generic) -> None:
        """Store an attribute of the whole file; text as fixed-length bytes."""
        self._file.attrs.create(key, value)
        self._disk.check()

    def create_group(self, path: str) -> None:
        """Create an empty group."""
        self._file.create_group(path)
        self._disk.check()

    def write_column(self, path: str, values: NDArray[Any]) -> None:
        """Store a small array whole, with its checksum; bytes are declared UTF-8, for h5py's `asstr()`."""
        dtype = h5py.string_dtype("utf-8", values.dtype.itemsize) if values.dtype.kind == "S" else values.dtype
        dataset = self._file.create_dataset(path, data=values.astype(dtype), dtype=dtype)
        dataset.attrs["crc32"] = checksum(values)
        self._disk.check()

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
        N, D = shape
        # Only a resizable dataset may have a chunk that is larger than itself.
        dataset = self._file.create_dataset(
            path,
            shape=shape,
            maxshape=(max(N, chunk_rows), D),
            chunks=(chunk_rows, D),
            dtype=dtype,
            **({"shuffle": True, "compression": "gzip", "compression_opts": 1} if compress else {}),
        )
        self._disk.check()
        return dataset

    def write_chunk(self, dataset: h5py.Dataset, row: int, chunk: NDArray[Any] | bytes) -> None:
        """Store one chunk's final bytes, bypassing HDF5's filters.

        Args:
            dataset: from `create_rows`.
            row: first row of the chunk.
            chunk: the whole chunk, contiguous; already filtered where the dataset has filters.
        """
        dataset.id.write_direct_chunk((row, 0), chunk)
        self._disk.check()


@contextmanager
def create_hdf5(path: Path) -> Iterator[NewFile]:
    """Create `path` and yield it for writing; it is complete, though not synced, when the context ends.

    Raises:
        OSError: the file cannot be created or written; the caller removes what lies at `path`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        disk = DeferringFile(descriptor)
        with h5py.File(disk, "w") as file:
            yield NewFile(file, disk)
        disk.check()
    finally:
        os.close(descriptor)
