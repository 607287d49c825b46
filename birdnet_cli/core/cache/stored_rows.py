"""Rows of one descriptor, chunk by chunk: float values -> stored bytes [n, D] -> float32, with a CRC-32 per row.

Chunks are read and written raw: HDF5's own path is half as fast, and its gzip filter would let a damaged chunk grow to
any size in memory.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.errors import CacheError

__all__ = ["ChunkReader", "compress_chunk", "is_finite", "narrow", "row_crcs", "widen"]


class ChunkReader:
    """The stored rows of one [N, D] dataset.

    Attributes:
        name: the dataset's path in the file.
        rows: N.
        chunks: the number of chunks.
        dim: D.
        chunk_rows: rows per chunk.
        dtype: the storage type.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.name: str = dataset.name
        self.rows, self.dim = dataset.shape
        self.chunk_rows = int(dataset.chunks[0])
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks = -(-self.rows // self.chunk_rows)
        self._dataset = dataset
        self._compressed = dataset.compression is not None
        self._chunk = np.empty((self.chunk_rows, self.dim), self.dtype)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield all rows in order, a chunk at a time."""
        for index in range(self.chunks):
            yield self.chunk(index)

    def chunk(self, index: int) -> NDArray[Any]:
        """Return the rows [n, D] of one chunk, as stored; the next call overwrites them.

        Raises:
            CacheError: the chunk is absent, of another size, or does not decompress.
        """
        start = index * self.chunk_rows
        size = self._chunk.nbytes
        where = f"rows {start} to {min(start + self.chunk_rows, self.rows) - 1} of {self.name}"
        try:
            info = self._dataset.id.get_chunk_info_by_coord((start, 0))
            # zlib never expands data by more than this; the stored size comes from the file, which may lie.
            if info.filter_mask or info.byte_offset is None or info.size > size + size // 1000 + 64:
                raise CacheError(f"{where} are not stored as this format stores them")
            if self._compressed:
                self._unpack(self._dataset.id.read_direct_chunk((start, 0))[1])
            elif info.size == size:
                self._dataset.id.read_direct_chunk((start, 0), out=self._chunk.reshape(-1).view(np.uint8))
            else:
                raise CacheError(f"{where} take {info.size} bytes instead of {size}")
        except (OSError, RuntimeError, ValueError, zlib.error) as error:
            raise CacheError(f"{where} cannot be read ({' '.join(str(error).split())[:120]})") from error
        return self._chunk[: self.rows - start]

    def _unpack(self, packed: bytes) -> None:
        size, itemsize = self._chunk.nbytes, self.dtype.itemsize
        data = zlib.decompressobj().decompress(packed, size + 1)
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes after decompression instead of {size}")
        shuffled = np.frombuffer(data, np.uint8).reshape(itemsize, -1)
        self._chunk.reshape(-1).view(np.uint8).reshape(-1, itemsize)[...] = shuffled.T


def compress_chunk(chunk: NDArray[Any]) -> bytes:
    """Return a chunk as HDF5's shuffle and gzip filters (level 1) would store it."""
    shuffled = chunk.reshape(-1).view(np.uint8).reshape(-1, chunk.itemsize).T
    return zlib.compress(shuffled.tobytes(), level=1)


def row_crcs(rows: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the CRC-32 of each row's stored bytes. [n, D] -> [n]."""
    return np.fromiter((zlib.crc32(row) for row in rows), np.uint32, len(rows))


def narrow(values: NDArray[Any], out: NDArray[Any]) -> str | None:
    """Convert rows to the storage type of `out`, or return why they cannot be stored.

    Args:
        values: [n, D] floating point.
        out: [n, D] float16 or float32, overwritten.

    Returns:
        None, or the reason: a value is not finite, or beyond the range of the type (65,504 in float16).
    """
    # A NaN makes both extremes NaN, and every comparison with NaN is false.
    low, high = float(values.min()), float(values.max())
    limit = float(np.finfo(out.dtype).max)
    if -limit <= low and high <= limit:
        out[...] = values
        return None
    if not np.isfinite(values).all():
        return "is not finite (NaN or infinity)"
    return f"reaches {max(-low, high):.6g}, beyond the {limit:.6g} of {out.dtype}: store float32 (--dtype float32)"


def is_finite(rows: NDArray[Any]) -> bool:
    """Return whether stored rows hold neither NaN nor infinity. [n, D] -> bool."""
    if rows.dtype == np.float32:
        return bool(np.isfinite(rows).all())
    # numpy's float16 arithmetic is slow. As integers, infinities and NaN are 0x7C00 and up, or 0xFC00 and up.
    return bool(rows.view(np.int16).max() < 0x7C00 and rows.view(np.uint16).max() < 0xFC00)


def widen(rows: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Convert finite stored rows to float32, exactly. [n, D] -> [n, D].

    Three integer operations and a multiplication move float16's sign, exponent and mantissa to their float32 places,
    four times as fast as numpy's conversion; they would turn an infinity into 65,536.
    """
    if rows.dtype == np.float32:
        out[...] = rows
        return
    bits = out.view(np.int32)
    bits[...] = rows.view(np.int16)
    bits <<= 13
    bits &= np.int32(0x8FFFE000 - (1 << 32))
    out *= np.float32(2.0**112)
