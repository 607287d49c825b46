"""Small data sets with known answers, and a source that serves them in blocks."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

Problem = tuple[NDArray[np.float32], NDArray[np.int64]]


class ArraySource:
    """Rows of an array, in blocks through one reused, read-only buffer."""

    run = 3

    def __init__(self, array: NDArray[np.float32], *, block: int = 7) -> None:
        self.rows, self.dim = array.shape
        self.reads = 0
        self._array = array
        self._block = block

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        buffer = np.empty((self._block, self.dim), np.float32)
        for start in range(0, self.rows, self._block):
            part = self._array[start : start + self._block]
            buffer[: len(part)] = part
            self.reads += len(part)
            view = buffer[: len(part)].view()
            view.flags.writeable = False
            yield start, view

    def reordered(self, order: NDArray[np.int64]) -> "ArraySource":
        return ArraySource(self._array[order], block=self._block)


@pytest.fixture(scope="session")
def array_source() -> type[ArraySource]:
    """`array_source(array, block=7)` is a RowSource."""
    return ArraySource


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    """`make_problem(rows, dim, classes)`: overlapping classes, a large common mean, and a spectrum that falls."""

    def make(rows: int, dim: int, classes: int, *, seed: int = 0, noise: float = 1.0) -> Problem:
        generator = np.random.default_rng(seed)
        labels = generator.permutation(np.arange(rows) % classes)
        means = generator.normal(size=(classes, dim))
        x = means[labels] + noise * generator.normal(size=(rows, dim)) * 2
        x = x * np.linspace(1.5, 0.1, dim) / np.sqrt(dim) + generator.normal(size=dim) + 2
        return x.astype(np.float32), labels.astype(np.int64)

    return make
