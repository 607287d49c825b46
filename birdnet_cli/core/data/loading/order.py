"""Choose the samples of each batch, as functions of (seed, epoch) and of the process's rank."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.data.draws import draw_table
from birdnet_cli.core.errors import UsageError

__all__ = ["cut_batches", "epoch_batches", "epoch_order", "require_rank", "shard_batch", "shard_indices"]


def cut_batches(rows: Sequence[int], *, size: int) -> list[Sequence[int]]:
    """Return `rows` in batches of `size`, in order; the last batch may be smaller.

    Raises:
        UsageError: `size` is below 1.
    """
    if size < 1:
        raise UsageError(f"expected a batch of 1 or more images, got {size}")
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def epoch_order(n: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of 0 .. n-1, int64 [n], that depends on the arguments alone."""
    keys = draw_table(seed, epoch, purpose="order", rows=n, columns=1)[:, 0]
    return np.argsort(keys, kind="stable")


def epoch_batches(n: int, *, batch_size: int, seed: int, epoch: int, start_step: int = 0) -> list[NDArray[np.int64]]:
    """Return the indices of each global batch of an epoch from `start_step` on.

    The n % batch_size samples at the end of the epoch's order are left out, because a smaller batch would give its
    samples more weight; they are others in every epoch. A data set smaller than a batch is a single batch.

    Args:
        n: number of samples, 1 or more.
        batch_size: samples of all processes together, 1 or more.
        seed: see `epoch_order`.
        epoch: see `epoch_order`.
        start_step: number of batches to skip at the beginning.
    """
    order = epoch_order(n, seed=seed, epoch=epoch)
    size = min(batch_size, n)
    return [order[start : start + size] for start in range(start_step * size, n - size + 1, size)]


def shard_batch(indices: NDArray[np.int64], *, rank: int, world_size: int) -> NDArray[np.int64]:
    """Return a process's part of a global batch, every `world_size`-th index from `rank`; sizes differ by 1 at most."""
    return indices[rank::world_size]


def shard_indices(n: int, *, rank: int, world_size: int) -> range:
    """Return the indices that a process evaluates; the parts of all processes are disjoint and unpadded."""
    return range(rank, n, world_size)


def require_rank(rank: int, world_size: int) -> None:
    """Check the rank of a process.

    Raises:
        UsageError: the rank is not 0 to `world_size` - 1.
    """
    if not 0 <= rank < world_size:
        raise UsageError(f"expected a rank from 0 to world_size - 1, got rank {rank} of {world_size} processes")
