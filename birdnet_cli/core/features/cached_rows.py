"""Rows of a descriptor in a feature cache -> the row source that the head solvers stream."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.poolings import parse_pooling, pooling_name

__all__ = ["CachedRows", "choose_descriptor", "needs_standardizing"]

BLOCK_BYTES = 64 << 20


class CachedRows:
    """A `core.heads.RowSource` on an open cache.

    Args:
        cache: the cache; the caller keeps it open while rows are read.
        name: name of the descriptor.
        wanted: indices [n] of rows of the cache, in any order.

    Attributes:
        rows: n, the number of rows.
        dim: D, the number of columns.
        run: rows in a chunk of the file, which are fastest read together.
    """

    def __init__(self, cache: FeatureCache, name: str, wanted: NDArray[np.int64]) -> None:
        self.rows = len(wanted)
        self.dim = cache.descriptors[name]
        self.run = cache.chunk_reader(name).chunk_rows
        self._cache = cache
        self._name = name
        self._wanted = wanted

    def reordered(self, order: NDArray[np.int64]) -> "CachedRows":
        """Return the rows at the positions `order` [m], each in 0..n-1, as another row source."""
        return CachedRows(self._cache, self._name, self._wanted[order])

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield each block: its first position and float32 values [m, D], which the next block overwrites."""
        for positions, block in self._cache.blocks(self._name, self._wanted, block_bytes=BLOCK_BYTES):
            yield int(positions[0]), block


def choose_descriptor(cache: FeatureCache, pooling: str | None) -> str:
    """Return the name of a descriptor of a cache.

    Args:
        cache: an open cache.
        pooling: a descriptor's name in any spelling that `parse_pooling` reads; None chooses the only descriptor.

    Raises:
        UsageError: `pooling` is None, and the cache has several descriptors.
        UnknownNameError: the cache has no such descriptor.
    """
    if pooling is not None:
        name = pooling_name(parse_pooling(pooling))
        if name not in cache.descriptors:
            raise UnknownNameError(f"descriptor of {cache.path.name}", name, cache.descriptors)
        return name
    if len(cache.descriptors) > 1:
        raise UsageError(
            f"{cache.path}: has several descriptors; choose one with --pooling: {', '.join(cache.descriptors)}"
        )
    return next(iter(cache.descriptors))


def needs_standardizing(name: str) -> bool:
    """Return whether a descriptor's columns differ in scale: true for max pooling and unnormalised poolings."""
    settings = parse_pooling(name)
    return settings.name == "max" or not settings.normalize
