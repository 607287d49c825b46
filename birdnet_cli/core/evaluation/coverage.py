"""Confidences [N] and hits [N] -> what share can be answered at which accuracy, if the unsure rest is left unanswered.

Source: El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, 2010.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.evaluation.intervals import Interval, wilson_interval
from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["CoveragePoint", "coverage_curve", "widest_coverage"]

POINTS = 100


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """Answering only where the confidence is at least `threshold`.

    Attributes:
        threshold: the least confidence that is answered.
        n: images answered.
        right: those of them called right.
        coverage: the share of all images that is answered.
    """

    threshold: float
    n: int
    right: int
    coverage: float

    @property
    def accuracy(self) -> float:
        """The share of the answers that is right; 1 - accuracy is the selective risk."""
        return self.right / self.n

    @property
    def interval(self) -> Interval:
        """Wilson's 95% interval of `accuracy`."""
        return wilson_interval(self.right, self.n)


def coverage_curve(outcomes: Outcomes) -> tuple[CoveragePoint, ...]:
    """Return at most 100 points, evenly spaced in coverage, rising to full coverage.

    Images of one confidence are answered together or not at all, so a point may lie at a higher coverage than asked.
    """
    thresholds, kept, right = _all_points(outcomes)
    N = len(outcomes)
    wanted = -(-np.arange(1, POINTS + 1) * N // POINTS) if N else np.empty(0, np.int64)  # rounded up
    return _points(thresholds, kept, right, np.unique(np.searchsorted(kept, wanted)), N)


def widest_coverage(outcomes: Outcomes, accuracy: float) -> CoveragePoint | None:
    """Return the point of the highest coverage whose accuracy is at least `accuracy`; None if there is none.

    It is chosen on the images that it is measured on, and so flatters a little.
    """
    thresholds, kept, right = _all_points(outcomes)
    (enough,) = np.nonzero(right >= accuracy * kept)
    return _points(thresholds, kept, right, enough[-1:], len(outcomes))[0] if len(enough) else None


def _all_points(outcomes: Outcomes) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return every distinct confidence, falling, with how many images have at least it, and how many of them hit."""
    order = np.argsort(-outcomes.confidence, kind="stable")
    confidence = outcomes.confidence[order]
    last = np.append(confidence[1:] != confidence[:-1], True) if len(confidence) else np.empty(0, bool)
    (ends,) = np.nonzero(last)
    return confidence[ends], ends + 1, np.cumsum(outcomes.right[order], dtype=np.int64)[ends]


def _points(
    thresholds: NDArray[np.float32],
    kept: NDArray[np.int64],
    right: NDArray[np.int64],
    picked: NDArray[np.int64],
    N: int,
) -> tuple[CoveragePoint, ...]:
    return tuple(
        CoveragePoint(float(thresholds[index]), int(kept[index]), int(right[index]), int(kept[index]) / N)
        for index in picked.tolist()
    )
