"""What a model said of every image: logits [n, K], batch by batch -> columns of N rows, about 200 bytes each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["KEPT", "OutcomeCollector", "Outcomes"]

# Names that are kept per image.
KEPT = 5
# No probability is below this, so that no loss is infinite.
LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One row per image that could be read, in the order of the data.

    Attributes:
        names: [N] paths relative to the data set's root.
        digests: uint8 [N, 32], SHA-256 of each file.
        labels: int32 [N], the true classes.
        top: int32 [N, k], the k = min(5, K) most probable classes, the most probable first.
        probs: float32 [N, k], their probabilities.
        losses: float32 [N], -log of the probability of the true class.
    """

    names: tuple[str, ...]
    digests: NDArray[np.uint8]
    labels: NDArray[np.int32]
    top: NDArray[np.int32]
    probs: NDArray[np.float32]
    losses: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcomes):
            return NotImplemented
        return self.names == other.names and all(
            np.array_equal(getattr(self, column), getattr(other, column))
            for column in ("digests", "labels", "top", "probs", "losses")
        )

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """[N] whether the most probable class is the true one."""
        return np.asarray(self.top[:, 0] == self.labels)

    @cached_property
    def in_top5(self) -> NDArray[np.bool_]:
        """[N] whether the true class is among the k most probable ones."""
        return np.asarray((self.top == self.labels[:, None]).any(axis=1))

    @property
    def confidence(self) -> NDArray[np.float32]:
        """[N] probability of the most probable class."""
        return self.probs[:, 0]

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Outcomes":
        """Return some of the rows, by a mask [N] or by indices."""
        picked = np.arange(len(self))[rows]
        names = tuple(self.names[row] for row in picked.tolist())
        return Outcomes(
            names, self.digests[picked], self.labels[picked], self.top[picked], self.probs[picked], self.losses[picked]
        )


class OutcomeCollector:
    """Collects batches, so that no evaluation holds all logits.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        self._k = min(KEPT, num_classes)
        self._names: list[str] = []
        self._digests: list[NDArray[np.uint8]] = [np.empty((0, 32), np.uint8)]
        self._columns: list[tuple[NDArray[Any], ...]] = []

    def add(self, probabilities: Tensor, labels: Tensor, *, names: Sequence[str], digests: NDArray[np.uint8]) -> None:
        """Take a batch.

        Args:
            probabilities: float [n, K], rows sum to 1.
            labels: int64 [n], the true classes.
            names: n of them.
            digests: uint8 [n, 32].
        """
        labels = labels.to(probabilities.device)
        values, indices = probabilities.topk(self._k, dim=1)  # [n, k]
        losses = -probabilities.gather(1, labels[:, None])[:, 0].double().clamp(min=LEAST).log()  # [n]
        columns = (labels.int(), indices.int(), values.float(), losses.float())
        self._columns.append(tuple(column.cpu().numpy() for column in columns))
        self._names.extend(names)
        self._digests.append(digests)

    def outcomes(self) -> Outcomes:
        """Return everything collected so far."""
        empty = (torch.empty(0), torch.empty(0, self._k), torch.empty(0, self._k), torch.empty(0))
        columns = list(zip(*self._columns, strict=True)) or [(column.numpy(),) for column in empty]
        labels, top, probs, losses = (np.concatenate(parts) for parts in columns)
        return Outcomes(
            tuple(self._names),
            np.concatenate(self._digests),
            labels.astype(np.int32, copy=False),
            top.astype(np.int32, copy=False),
            probs.astype(np.float32, copy=False),
            losses.astype(np.float32, copy=False),
        )
