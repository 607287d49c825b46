"""How far a training has come: what is not in its tensors, as JSON."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Self

__all__ = ["Figures", "Outcome", "Sums", "TrainingState"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one update saw.

    Attributes:
        images: of all processes.
        loss: the sum of their losses.
        right: how many of them were classified correctly before the update; None where they were mixed.
        grad_norm: of the whole gradient, before clipping; NaN where the loss was not finite.
        applied: False if the parameters were left alone.
        overflow: float16 alone: the loss was finite, its scaled gradient was not.
    """

    images: int
    loss: float
    right: int | None
    grad_norm: float
    applied: bool
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """How a classifier does on validation images.

    Attributes:
        images: that could be read.
        loss: mean cross-entropy.
        top1, top5: shares of `images`.
        temperature: T that calibrates softmax(scores / T).
    """

    images: int
    loss: float
    top1: float
    top5: float
    temperature: float


@dataclass(slots=True)
class Sums:
    """Totals over the images of some updates.

    Attributes:
        total: of the losses.
        right: images that were classified correctly.
        images: how many there were.
        mixed: some were mixed with others, so that `right` says nothing.
    """

    total: float = 0.0
    right: int = 0
    images: int = 0
    mixed: bool = False

    def add(self, outcome: Outcome) -> None:
        """Add an update."""
        self.total += outcome.loss
        self.images += outcome.images
        self.right += outcome.right or 0
        self.mixed |= outcome.right is None

    def loss(self) -> float:
        """Return the mean loss; NaN before the first image."""
        return self.total / self.images if self.images else math.nan

    def top1(self) -> float | None:
        """Return the share of images that were right, where it can be said."""
        return None if self.mixed or not self.images else self.right / self.images


@dataclass(slots=True)
class TrainingState:
    """Counters of a training.

    Attributes:
        step: updates done, in all epochs.
        validated: epochs whose validation is over.
        logged: the update of the last row of the metrics.
        best_epoch: the epoch, from 1, of the best validation; 0 before the first.
        best_top1, best_loss: its figures.
        bad: batches in a row whose values were not finite.
        skipped: updates left out so far.
        accumulate: forward passes per update.
        factor: on the rates of the last update.
        grad_norm: of the last update; None before the first, and where it was not finite.
        interval: since the last row of the metrics.
        epoch: since the epoch's beginning.
        failed: `name: reason` of images that could not be read.
    """

    step: int = 0
    validated: int = 0
    logged: int = 0
    best_epoch: int = 0
    best_top1: float = 0.0
    best_loss: float = 0.0
    bad: int = 0
    skipped: int = 0
    accumulate: int = 1
    factor: float = 1.0
    grad_norm: float | None = None
    interval: Sums = field(default_factory=Sums)
    epoch: Sums = field(default_factory=Sums)
    failed: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count an applied update."""
        self.interval.add(outcome)
        self.epoch.add(outcome)

    def improve(self, figures: Figures) -> bool:
        """Take the figures of the epoch just validated if they are the best: a higher top-1, or a lower loss at it."""
        best = (self.best_top1, -self.best_loss) if self.best_epoch else (-1.0, 0.0)
        better = (figures.top1, -figures.loss) > best
        if better:
            self.best_epoch, self.best_top1, self.best_loss = self.validated, figures.top1, figures.loss
        return better

    def to_json(self) -> dict[str, Any]:
        """Return the counters as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        sums = {name: Sums(**document[name]) for name in ("interval", "epoch")}
        return cls(**(document | sums))
