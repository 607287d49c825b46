"""Counters of a training: updates, losses, the best validation; saved as JSON in every checkpoint."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Self

__all__ = ["LossSums", "TrainingCounters", "UpdateResult", "Validation"]

# Fields whose key in a checkpoint's JSON is an older name, kept so that every version reads every checkpoint.
FILE_KEYS = {"loss_sum": "total", "correct": "right", "nonfinite_in_a_row": "bad", "rate_factor": "factor"}


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The result of one update.

    Attributes:
        images: number of images, of all processes.
        loss_sum: sum of the images' losses.
        correct: number of images classified correctly before the update; None if images were mixed.
        grad_norm: norm of the whole gradient before clipping; NaN if the loss was not finite.
        applied: whether the parameters were changed.
        overflow: whether the gradient overflowed in float16 because the loss was scaled up too far; the scale is then
            lowered, and nothing is wrong with the batch.
    """

    images: int
    loss_sum: float
    correct: int | None
    grad_norm: float
    applied: bool
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class Validation:
    """An evaluation of the classifier on the validation images.

    Attributes:
        images: number of images that could be read.
        loss: mean cross-entropy.
        top1, top5: share of images whose class is the first, or among the first five, in 0..1.
        temperature: T that calibrates softmax(scores / T).
    """

    images: int
    loss: float
    top1: float
    top5: float
    temperature: float


@dataclass(slots=True)
class LossSums:
    """Sums over the images of several updates.

    Attributes:
        loss_sum: sum of the images' losses.
        correct: number of images classified correctly.
        images: number of images.
        mixed: whether any images were mixed, so that `correct` does not count all.
    """

    loss_sum: float = 0.0
    correct: int = 0
    images: int = 0
    mixed: bool = False

    def add(self, result: UpdateResult) -> None:
        """Add the images of an update."""
        self.loss_sum += result.loss_sum
        self.images += result.images
        self.correct += result.correct or 0
        self.mixed |= result.correct is None

    def loss(self) -> float:
        """Return the mean loss; NaN before the first image."""
        return self.loss_sum / self.images if self.images else math.nan

    def top1(self) -> float | None:
        """Return the share of images classified correctly; None before the first image and if images were mixed."""
        return None if self.mixed or not self.images else self.correct / self.images


@dataclass(slots=True)
class TrainingCounters:
    """The counters of a training.

    Attributes:
        step: updates done, in all epochs; a skipped update counts.
        validated: epochs whose validation is done.
        logged: step of the last row of the metrics.
        best_epoch: epoch of the best validation, from 1; 0 before the first validation.
        best_top1, best_loss: top-1 and loss of the best validation.
        nonfinite_in_a_row: number of batches just before this step whose loss or gradient was not finite.
        skipped: updates skipped so far.
        accumulate: forward passes per update.
        rate_factor: factor on all learning rates in the last update.
        grad_norm: gradient norm of the last update; None before the first, and if it was not finite.
        interval: sums since the last row of the metrics.
        epoch: sums since the beginning of the epoch.
        failed: `name: reason` of each image that could not be read.
    """

    step: int = 0
    validated: int = 0
    logged: int = 0
    best_epoch: int = 0
    best_top1: float = 0.0
    best_loss: float = 0.0
    nonfinite_in_a_row: int = 0
    skipped: int = 0
    accumulate: int = 1
    rate_factor: float = 1.0
    grad_norm: float | None = None
    interval: LossSums = field(default_factory=LossSums)
    epoch: LossSums = field(default_factory=LossSums)
    failed: list[str] = field(default_factory=list)

    def count(self, result: UpdateResult) -> None:
        """Count an update, applied or skipped."""
        self.step += 1
        self.grad_norm = result.grad_norm if math.isfinite(result.grad_norm) else None
        if result.applied:
            self.nonfinite_in_a_row = 0
            self.interval.add(result)
            self.epoch.add(result)
            return
        self.skipped += 1
        if not result.overflow:
            self.nonfinite_in_a_row += 1

    def take_validation(self, validation: Validation) -> bool:
        """Keep the validation of epoch `validated` if it is the best: a higher top-1, or the same with a lower loss.

        Returns:
            Whether it is the best.
        """
        best = (self.best_top1, -self.best_loss) if self.best_epoch else (-1.0, 0.0)
        better = (validation.top1, -validation.loss) > best
        if better:
            self.best_epoch, self.best_top1, self.best_loss = self.validated, validation.top1, validation.loss
        return better

    def to_json(self) -> dict[str, Any]:
        """Return the counters as a JSON object with the keys of the file format."""
        document: dict[str, Any] = _rename(asdict(self), FILE_KEYS)
        return document | {name: _rename(document[name], FILE_KEYS) for name in ("interval", "epoch")}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read the JSON object that `to_json` returned."""
        names = {key: name for name, key in FILE_KEYS.items()}
        sums = {name: LossSums(**_rename(document[name], names)) for name in ("interval", "epoch")}
        return cls(**(_rename(document, names) | sums))


def _rename(document: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in document.items()}
