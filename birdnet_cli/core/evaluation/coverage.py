"""Outcomes of N images -> accuracy against coverage: the share of images answered above a confidence threshold.

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
    """The result of answering only the images whose confidence is at least `threshold`.

    Attributes:
        threshold: lowest confidence of an answered image, 0..1.
        n: number of images answered, at least 1.
        correct: number of answered images that were predicted correctly.
        coverage: share of all images that is answered, 0..1.
    """

    threshold: float
    n: int
    correct: int
    coverage: float

    @property
    def accuracy(self) -> float:
        """Share of the answers that are correct, 0..1; 1 - accuracy is the selective risk."""
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """Wilson's 95% interval of `accuracy`."""
        return wilson_interval(self.correct, self.n)


def coverage_curve(outcomes: Outcomes) -> tuple[CoveragePoint, ...]:
    """Return at most 100 points, evenly spaced in coverage, rising to full coverage.

    Images of the same confidence are answered together or not at all, so a point may lie above its evenly spaced place.
    """
    thresholds, kept, correct = _all_points(outcomes)
    N = len(outcomes)
    wanted = -(-np.arange(1, POINTS + 1) * N // POINTS) if N else np.empty(0, np.int64)  # rounded up
    return _points(thresholds, kept, correct, np.unique(np.searchsorted(kept, wanted)), N)


def widest_coverage(outcomes: Outcomes, accuracy: float) -> CoveragePoint | None:
    """Return the point of the highest coverage whose accuracy is at least `accuracy`; None if no point reaches it.

    The threshold is chosen on the same images that its accuracy is measured on, so the accuracy is slightly optimistic.

    Args:
        outcomes: the evaluated images.
        accuracy: required accuracy of the answers, 0..1.
    """
    thresholds, kept, correct = _all_points(outcomes)
    (enough,) = np.nonzero(correct >= accuracy * kept)
    return _points(thresholds, kept, correct, enough[-1:], len(outcomes))[0] if len(enough) else None


def _all_points(outcomes: Outcomes) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return every distinct confidence, falling, with the numbers of images and of correct predictions at or above it.

    Returns:
        float32 [m] confidences, int64 [m] images, int64 [m] correct predictions; m distinct confidences.
    """
    order = np.argsort(-outcomes.confidence, kind="stable")
    confidence = outcomes.confidence[order]
    last = np.append(confidence[1:] != confidence[:-1], True) if len(confidence) else np.empty(0, bool)
    (ends,) = np.nonzero(last)
    return confidence[ends], ends + 1, np.cumsum(outcomes.correct[order], dtype=np.int64)[ends]


def _points(
    thresholds: NDArray[np.float32],
    kept: NDArray[np.int64],
    correct: NDArray[np.int64],
    picked: NDArray[np.int64],
    N: int,
) -> tuple[CoveragePoint, ...]:
    return tuple(
        CoveragePoint(float(thresholds[index]), int(kept[index]), int(correct[index]), int(kept[index]) / N)
        for index in picked.tolist()
    )
