"""Labels and calls [N] -> recall and precision of every class, their means over classes, and confusions by count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation.intervals import Estimate, Interval, mean_share_interval, wilson_interval
from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["ClassFigures", "Confusion", "count_classes", "macro_precision", "macro_recall", "rank_confusions"]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class.

    A share over zero images is None: it is not a number, and 0 would be a claim.

    Attributes:
        name: the class.
        n: images of it.
        called: images that were called it.
        right: images of it that were called it.
    """

    name: str
    n: int
    called: int
    right: int

    @property
    def recall(self) -> float | None:
        """The share of its images that were called it."""
        return self.right / self.n if self.n else None

    @property
    def precision(self) -> float | None:
        """The share of the images called it that are of it."""
        return self.right / self.called if self.called else None

    @property
    def recall_interval(self) -> Interval | None:
        """Wilson's 95% interval of `recall`."""
        return wilson_interval(self.right, self.n) if self.n else None

    @property
    def precision_interval(self) -> Interval | None:
        """Wilson's 95% interval of `precision`, given how many images were called it."""
        return wilson_interval(self.right, self.called) if self.called else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often images of `true` were called `predicted`."""

    true: str
    predicted: str
    count: int


def count_classes(outcomes: Outcomes, classes: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return one row per class, in their order."""
    K = len(classes)
    counts = (
        np.bincount(outcomes.labels, minlength=K),
        np.bincount(outcomes.top[:, 0], minlength=K),
        np.bincount(outcomes.labels[outcomes.right], minlength=K),
    )
    rows = zip(classes, *(column.tolist() for column in counts), strict=True)
    return tuple(ClassFigures(name, n, called, right) for name, n, called, right in rows)


def macro_recall(figures: Sequence[ClassFigures]) -> Estimate:
    """Return the mean recall of the classes that have an image; classes weigh alike, however rare."""
    return _mean_share([(row.right, row.n) for row in figures if row.n])


def macro_precision(figures: Sequence[ClassFigures]) -> Estimate:
    """Return the mean precision of the classes that were called at least once."""
    return _mean_share([(row.right, row.called) for row in figures if row.called])


def rank_confusions(outcomes: Outcomes, classes: Sequence[str]) -> tuple[Confusion, ...]:
    """Return the pairs that occurred, by falling count, then by name. Memory is that of the mistakes, never K x K."""
    wrong = ~outcomes.right
    pairs = outcomes.labels[wrong].astype(np.int64) * len(classes) + outcomes.top[wrong, 0]
    codes, counts = np.unique(pairs, return_counts=True)
    rows = [
        Confusion(classes[code // len(classes)], classes[code % len(classes)], count)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.true, row.predicted)))


def _mean_share(shares: Sequence[tuple[int, int]]) -> Estimate:
    """Return the mean of shares given as (part, whole), each of at least one image; of none, 0 and what that says.

    Recalls of different classes are independent; precisions are taken as if they were, given the calls.
    """
    if not shares:
        return Estimate(0.0, Interval(0.0, 1.0))
    part, whole = np.array(shares, np.int64).T  # [m], [m]
    return Estimate(float((part / whole).mean()), mean_share_interval(part, whole))
