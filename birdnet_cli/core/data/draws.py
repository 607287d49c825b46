"""Random numbers as functions of (seed, purpose, epoch, index): nothing drawn for one sample shifts another's."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Purpose", "draw_row", "draw_table"]

Purpose = Literal["order", "augment", "mix"]

# Part of every random number: a purpose may be added at the end, never moved.
_PURPOSES: tuple[Purpose, ...] = ("order", "augment", "mix")
_PER_BLOCK = 4  # numbers that Philox makes of one value of its counter


def draw_table(seed: int, epoch: int, *, purpose: Purpose, rows: int, columns: int) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1), a row per index.

    Raw Philox output is used, which NumPy promises never to change, rather than a distribution's method, which it
    may.

    Args:
        seed: 0 or more.
        epoch: 0 or more.
        purpose: draws for different purposes are independent.
        rows: indices 0 to rows - 1.
        columns: numbers for each; another count is another table.

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
