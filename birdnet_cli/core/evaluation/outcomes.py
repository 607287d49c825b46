"""Probabilities [n, K] and labels [n], batch by batch -> the outcome of every image, in columns of N rows.

An outcome takes about 200 bytes, so that an evaluation never holds all N x K probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["KEPT", "OutcomeCollector", "Outcomes"]

# Most probable classes kept per image.
KEPT = 5
# Probabilities are raised to at least this, so that no loss is infinite.
LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One outcome (row) per image that could be read, in the order of the data.

    Attributes:
        names: [N] paths relative to the data set's root.
        digests: uint8 [N, 32], SHA-256 of each file.
        labels: int32 [N], index of the true class, 0..K-1.
        top: int32 [N, k], indices of the k = min(5, K) most probable classes, the most probable (predicted) first.
        probs: float32 [N, k], probabilities of `top`, 0..1.
        losses: float32 [N], -log p(true class), in nats.
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
    def correct(self) -> NDArray[np.bool_]:
        """bool [N]: the predicted class is the true class."""
        return np.asarray(self.top[:, 0] == self.labels)

    @cached_property
    def in_top5(self) -> NDArray[np.bool_]:
        """bool [N]: the true class is among the k most probable classes."""
        return np.asarray((self.top == self.labels[:, None]).any(axis=1))

    @property
    def confidence(self) -> NDArray[np.float32]:
        """float32 [N]: probability of the predicted class, 0..1."""
        return self.probs[:, 0]

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Outcomes":
        """Return the outcomes at `rows`, a mask bool [N] or indices int64 [m]."""
        picked = np.arange(len(self))[rows]
        names = tuple(self.names[row] for row in picked.tolist())
        return Outcomes(
            names, self.digests[picked], self.labels[picked], self.top[picked], self.probs[picked], self.losses[picked]
        )


class OutcomeCollector:
    """Collects the outcomes of batches.

    Args:
        num_classes: number of classes, K.
    """

    def __init__(self, num_classes: int) -> None:
        self._k = min(KEPT, num_classes)
        self._names: list[str] = []
        self._digests: list[NDArray[np.uint8]] = [np.empty((0, 32), np.uint8)]
        self._columns: list[tuple[NDArray[Any], ...]] = []

    def add(self, probabilities: Tensor, labels: Tensor, *, names: Sequence[str], digests: NDArray[np.uint8]) -> None:
        """Add the outcomes of a batch.

        Args:
            probabilities: float Tensor[n, K], each row sums to 1.
            labels: int64 Tensor[n], indices of the true classes, 0..K-1.
            names: n image names.
            digests: uint8 [n, 32], SHA-256 of each file.
        """
        labels = labels.to(probabilities.device)
        values, indices = probabilities.topk(self._k, dim=1)  # [n, k]
        losses = -probabilities.gather(1, labels[:, None])[:, 0].double().clamp(min=LEAST).log()  # [n]
        columns = (labels.int(), indices.int(), values.float(), losses.float())
        self._columns.append(tuple(column.cpu().numpy() for column in columns))
        self._names.extend(names)
        self._digests.append(digests)

    def outcomes(self) -> Outcomes:
        """Return the outcomes of all batches so far."""
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
