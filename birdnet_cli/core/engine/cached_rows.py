"""Some rows of one descriptor of a feature cache -> the row source that the head solvers stream."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache

__all__ = ["CachedRows"]

BLOCK_BYTES = 64 << 20


class CachedRows:
    """A `core.heads.RowSource` on an open cache.

    Args:
        cache: stays open while this is used.
        name: the descriptor.
        wanted: rows [n] of the cache.

    Attributes:
        rows: n.
        dim: D.
        run: rows in one chunk of the file.
    """

    def __init__(self, cache: FeatureCache, name: str, wanted: NDArray[np.int64]) -> None:
        self.rows = len(wanted)
        self.dim = cache.descriptors[name]
        self.run = cache.chunk_reader(name).chunk_rows
        self._cache = cache
        self._name = name
        self._wanted = wanted

    def reordered(self, order: NDArray[np.int64]) -> "CachedRows":
        """Return these rows, or some of them, in another order."""
        return CachedRows(self._cache, self._name, self._wanted[order])

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the first position and float32 [n, D] of consecutive blocks; a block is overwritten by the next."""
        for positions, block in self._cache.blocks(self._name, self._wanted, block_bytes=BLOCK_BYTES):
            yield int(positions[0]), block
