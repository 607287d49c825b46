"""A finished feature cache for reading: its columns whole, its descriptors streamed as float32 [n, D]."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import decode_texts, read_column
from birdnet_cli.core.cache.layout import FORMAT_VERSION
from birdnet_cli.core.cache.open_file import OpenCacheFile
from birdnet_cli.core.cache.stored_rows import ChunkReader
from birdnet_cli.core.cache.stream import stream_rows
from birdnet_cli.core.cache.validate import damage_as_cache_error
from birdnet_cli.core.errors import CacheError, UnknownNameError

__all__ = ["FeatureCache"]


class FeatureCache:
    """A finished cache; a context manager that closes its file.

    It may be used on both sides of a fork: each process opens the file for itself.

    Attributes:
        path: the file.
        rows: N, the number of images, failed ones included.
        dtype: storage type of the descriptors.
        descriptors: name -> D.
        compressed: whether the descriptors are gzipped.
        fingerprint: every setting that decided the numbers.
        provenance: versions, sources and times.
    """

    def __init__(self, open_file: OpenCacheFile) -> None:
        shape = open_file.shape
        self.path = open_file.path
        self.rows = shape.rows
        self.dtype = shape.dtype
        self.descriptors = shape.descriptors
        self.compressed = shape.compressed
        self.fingerprint = shape.fingerprint
        self.provenance = shape.provenance
        self._open_file = open_file

    @classmethod
    def open(cls, path: Path) -> "FeatureCache":
        """Open and validate a cache; neither the file nor its directory need be writable, and no lock is taken.

        Raises:
            CacheError: no such file; an extraction into it is unfinished; or the file is damaged, foreign or hostile.
        """
        return cls(OpenCacheFile(path))

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return FeatureCache.open, (self.path,)

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open_file.close()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """[N] image paths relative to the data set's root, in `os.fsdecode` form."""
        return decode_texts(self.column("path"))

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """[N] indices into `classes`; -1 is unlabelled."""
        labels = self.column("label")
        if labels.min() < -1 or labels.max() >= len(self.classes):
            raise CacheError(f"{self.path}: a label is outside -1 to {len(self.classes) - 1}: extract again")
        return labels

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """[N] split of each image."""
        return decode_texts(self.column("split"))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """[K] class names in the order of the labels."""
        return decode_texts(self.column("classes"))

    @cached_property
    def status(self) -> NDArray[np.uint8]:
        """[N] 0 = good; the descriptors of any other image are zeros."""
        return self.column("status")

    @cached_property
    def errors(self) -> tuple[str, ...]:
        """[N] why each failed image failed, empty for good ones."""
        return decode_texts(self.column("error"))

    @cached_property
    def sha256(self) -> NDArray[np.uint8]:
        """[N, 32] digest of each image file."""
        return self.column("sha256")

    def identity(self) -> dict[str, Any]:
        """Return the `CachePlan.identity` of the extraction that wrote the cache."""
        own = {
            "format_version": FORMAT_VERSION,
            "rows": self.rows,
            "dtype": self.dtype,
            "samples": self._open_file.shape.samples,
        }
        return self.fingerprint | own

    def state(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the fitted tensors of a descriptor's pooling, tensor name -> array; empty for a pooling without them.

        Raises:
            UnknownNameError: no such descriptor.
            CacheError: a tensor is damaged.
        """
        self._dim(name)
        with damage_as_cache_error(self.path):
            tensors = self._open_file.file()["state"].get(name, {})
            return {key: read_column(dataset) for key, dataset in tensors.items()}

    def column(self, key: str) -> NDArray[Any]:
        """Return a small dataset, such as `label` or `crc32/<descriptor>`, as stored.

        Raises:
            CacheError: the values do not match their checksum.
        """
        with damage_as_cache_error(self.path):
            return read_column(self._open_file.file()[key])

    def chunk_reader(self, name: str) -> ChunkReader:
        """Return access to a descriptor's rows as stored.

        Raises:
            UnknownNameError: no such descriptor.
        """
        self._dim(name)
        with damage_as_cache_error(self.path):
            return ChunkReader(self._open_file.file()["features"][name])

    def blocks(
        self,
        name: str,
        rows: NDArray[np.int64] | slice = slice(None),
        *,
        block_bytes: int = 64 << 20,
        verify: bool = False,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Stream rows of a descriptor in the order asked for, in constant memory.

        Args:
            name: the descriptor.
            rows: indices [n] in 0..N-1, in any order, repeated or not; or a slice.
            block_bytes: bytes of a float32 block; a block holds at least one row.
            verify: compare each row with its CRC, at about half the speed.

        Returns:
            An iterator over positions in `rows` [n], consecutive, and their descriptors [n, D], overwritten by the
            next step.

        Raises:
            UnknownNameError: no such descriptor.
            CacheError: an index is out of range; while iterating: a row is damaged or not finite.
        """
        D = self._dim(name)
        wanted = np.arange(self.rows)[rows] if isinstance(rows, slice) else np.asarray(rows, np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self.rows:
            raise CacheError(f"{self.path}: rows {wanted.min()} to {wanted.max()} of a cache of {self.rows}")
        return self._stream(name, wanted, block_rows=max(1, block_bytes // (4 * D)), verify=verify)

    def _stream(
        self, name: str, wanted: NDArray[np.int64], *, block_rows: int, verify: bool
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        crcs = self.column(f"crc32/{name}") if verify else None
        blocks = stream_rows(self.chunk_reader(name), wanted, block_rows=block_rows, crcs=crcs)
        while True:
            with damage_as_cache_error(self.path):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def _dim(self, name: str) -> int:
        if name not in self.descriptors:
            raise UnknownNameError(f"descriptor of {self.path.name}", name, self.descriptors)
        return self.descriptors[name]
