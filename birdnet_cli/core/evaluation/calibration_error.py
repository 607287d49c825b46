"""Confidences [N] and hits [N] -> reliability bins, expected calibration error, negative log-likelihood.

Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation.intervals import Estimate, Interval, Z, mean_interval, share_deviations
from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["BINS", "ReliabilityBin", "expected_calibration_error", "negative_log_likelihood", "reliability_bins"]

BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The images whose confidence is in (low, high].

    Attributes:
        low: lower edge, excluded.
        high: upper edge, included.
        n: images.
        right: those called right.
        confidence: their mean confidence; None without an image.
    """

    low: float
    high: float
    n: int
    right: int
    confidence: float | None

    @property
    def accuracy(self) -> float | None:
        """The share called right; None without an image."""
        return self.right / self.n if self.n else None


def reliability_bins(outcomes: Outcomes) -> tuple[ReliabilityBin, ...]:
    """Return 15 bins of equal width over the confidence, empty ones included."""
    edges = np.arange(BINS + 1) / BINS
    confidence = outcomes.confidence.astype(np.float64)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)  # [N]
    n = np.bincount(index, minlength=BINS)
    right = np.bincount(index[outcomes.right], minlength=BINS)
    total = np.bincount(index, weights=confidence, minlength=BINS)
    return tuple(
        ReliabilityBin(
            float(edges[m]), float(edges[m + 1]), int(n[m]), int(right[m]), float(total[m] / n[m]) if n[m] else None
        )
        for m in range(BINS)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> Estimate:
    """Return the sum over bins of (n_m / N) |accuracy_m - confidence_m|.

    Chance alone makes it larger, never smaller on average: a calibrated model's gaps are not 0 but the size of their
    errors. So the upper limit adds Z standard errors of the sum, and the lower one also takes off the most that chance
    can have added, sqrt(2 / pi) standard errors of every gap. How many images fall into each bin, and their mean
    confidence, are taken as given.
    """
    filled = [one for one in bins if one.n]
    if not filled:
        return Estimate(0.0, Interval(0.0, 1.0))
    n = np.array([one.n for one in filled], np.float64)
    right = np.array([one.right for one in filled], np.float64)
    confidence = np.array([one.confidence for one in filled], np.float64)
    weight = n / n.sum()
    value = float(weight @ np.abs(right / n - confidence))
    errors = weight * share_deviations(right, n)
    half, added = Z * math.sqrt(float(errors @ errors)), math.sqrt(2 / math.pi) * float(errors.sum())
    return Estimate(value, Interval(max(0.0, value - added - half), min(1.0, value + half)))


def negative_log_likelihood(outcomes: Outcomes) -> Estimate:
    """Return the mean of -log of the probability of the true class, with the normal interval of a mean."""
    if not len(outcomes):
        return Estimate(0.0, Interval(0.0, float("inf")))
    low, high = mean_interval(outcomes.losses)
    return Estimate(float(outcomes.losses.mean(dtype=np.float64)), Interval(max(0.0, low), high))
