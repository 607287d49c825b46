"""Outcomes of N images -> recall and precision of every class, their means over classes, and confusions by count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation.intervals import Estimate, Interval, mean_share_interval, wilson_interval
from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["ClassEvaluation", "Confusion", "count_classes", "macro_precision", "macro_recall", "rank_confusions"]


@dataclass(frozen=True, slots=True)
class ClassEvaluation:
    """Counts, recall and precision of one class.

    A share of zero images is None, because 0 would be a measured value.

    Attributes:
        name: the class.
        n: number of images of the class.
        predicted: number of images predicted as the class.
        correct: number of images of the class that were predicted as it.
    """

    name: str
    n: int
    predicted: int
    correct: int

    @property
    def recall(self) -> float | None:
        """Share of the class's images that were predicted as it, 0..1."""
        return self.correct / self.n if self.n else None

    @property
    def precision(self) -> float | None:
        """Share of the images predicted as the class that belong to it, 0..1."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def recall_interval(self) -> Interval | None:
        """Wilson's 95% interval of `recall`."""
        return wilson_interval(self.correct, self.n) if self.n else None

    @property
    def precision_interval(self) -> Interval | None:
        """Wilson's 95% interval of `precision`, with the number of predictions treated as fixed."""
        return wilson_interval(self.correct, self.predicted) if self.predicted else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """The number of images of class `true` that were predicted as class `predicted`."""

    true: str
    predicted: str
    count: int


def count_classes(outcomes: Outcomes, classes: Sequence[str]) -> tuple[ClassEvaluation, ...]:
    """Return the evaluation of each class, in the order of `classes`."""
    K = len(classes)
    counts = (
        np.bincount(outcomes.labels, minlength=K),
        np.bincount(outcomes.top[:, 0], minlength=K),
        np.bincount(outcomes.labels[outcomes.correct], minlength=K),
    )
    rows = zip(classes, *(column.tolist() for column in counts), strict=True)
    return tuple(ClassEvaluation(name, n, predicted, correct) for name, n, predicted, correct in rows)


def macro_recall(per_class: Sequence[ClassEvaluation]) -> Estimate:
    """Return the unweighted mean recall of the classes that have an image."""
    return _mean_share([(row.correct, row.n) for row in per_class if row.n])


def macro_precision(per_class: Sequence[ClassEvaluation]) -> Estimate:
    """Return the unweighted mean precision of the classes that were predicted at least once."""
    return _mean_share([(row.correct, row.predicted) for row in per_class if row.predicted])


def rank_confusions(outcomes: Outcomes, classes: Sequence[str]) -> tuple[Confusion, ...]:
    """Return the pairs that occurred, by falling count, then by name. Memory grows with the mistakes, not with K^2."""
    wrong = ~outcomes.correct
    pairs = outcomes.labels[wrong].astype(np.int64) * len(classes) + outcomes.top[wrong, 0]
    codes, counts = np.unique(pairs, return_counts=True)
    rows = [
        Confusion(classes[code // len(classes)], classes[code % len(classes)], count)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.true, row.predicted)))


def _mean_share(shares: Sequence[tuple[int, int]]) -> Estimate:
    """Return the mean of shares given as (part, whole), whole >= 1; 0 with the interval (0, 1) without a share.

    Recalls of different classes are independent. Precisions are treated as independent, with the number of predictions
    of each class fixed.
    """
    if not shares:
        return Estimate(0.0, Interval(0.0, 1.0))
    part, whole = np.array(shares, np.int64).T  # [m], [m]
    return Estimate(float((part / whole).mean()), mean_share_interval(part, whole))
