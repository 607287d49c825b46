"""Draw random numbers that are functions of (seed, purpose, epoch, index), independent of the order of drawing."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Purpose", "draw_row", "draw_table"]

Purpose = Literal["order", "augment", "mix"]

# A purpose's index enters every random number: add purposes at the end, and never move them.
_PURPOSES: tuple[Purpose, ...] = ("order", "augment", "mix")
_PER_BLOCK = 4  # numbers for each value of Philox's counter


def draw_table(seed: int, epoch: int, *, purpose: Purpose, rows: int, columns: int) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1), a row per index.

    They are made from Philox's raw output, which NumPy guarantees never to change; it may change the methods of its
    distributions.

    Args:
        seed: 0 or more.
        epoch: 0 or more.
        purpose: draws for different purposes are independent.
        rows: number of rows, for the indices 0 to rows - 1.
        columns: numbers in each row; tables with another number of columns have other values.

    Returns:
        float64 [rows, columns].
    """
    blocks = -(-columns // _PER_BLOCK)
    raw = np.random.Philox(key=_key(seed, epoch, purpose)).random_raw(rows * blocks * _PER_BLOCK)
    return _uniform(raw.reshape(rows, -1)[:, :columns])


def draw_row(seed: int, epoch: int, index: int, *, purpose: Purpose, columns: int) -> NDArray[np.float64]:
    """Return row `index` of `draw_table`, float64 [columns], without the other rows."""
    blocks = -(-columns // _PER_BLOCK)
    generator = np.random.Philox(key=_key(seed, epoch, purpose), counter=index * blocks)
    return _uniform(generator.random_raw(blocks * _PER_BLOCK)[:columns])


def _key(seed: int, epoch: int, purpose: Purpose) -> NDArray[np.uint64]:
    sequence = np.random.SeedSequence(seed, spawn_key=(_PURPOSES.index(purpose), epoch))
    return np.asarray(sequence.generate_state(2, np.uint64), np.uint64)


def _uniform(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
