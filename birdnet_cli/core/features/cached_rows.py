"""Some rows of one descriptor of a feature cache -> the row source that the head solvers stream."""

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


def choose_descriptor(cache: FeatureCache, pooling: str | None) -> str:
    """Return the name of the descriptor that is asked for; None is the only one.

    Raises:
        UsageError: None where there are several.
        UnknownNameError: no such descriptor.
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
    """Return whether a descriptor's values differ in scale, as those do that no pooling normalises."""
    settings = parse_pooling(name)
    return settings.name == "max" or not settings.normalize
