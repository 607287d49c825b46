"""Outcomes of N images -> reliability bins, expected calibration error, negative log-likelihood.

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
        low: lower edge of the bin, 0..1, excluded.
        high: upper edge of the bin, 0..1, included.
        n: number of images in the bin.
        correct: number of them that were predicted correctly.
        confidence: mean confidence of the images, 0..1; None without an image.
    """

    low: float
    high: float
    n: int
    correct: int
    confidence: float | None

    @property
    def accuracy(self) -> float | None:
        """Share of the bin's images that were predicted correctly; None without an image."""
        return self.correct / self.n if self.n else None


def reliability_bins(outcomes: Outcomes) -> tuple[ReliabilityBin, ...]:
    """Return 15 bins of equal width over the confidence, empty bins included."""
    edges = np.arange(BINS + 1) / BINS
    confidence = outcomes.confidence.astype(np.float64)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)  # [N]
    n = np.bincount(index, minlength=BINS)
    correct = np.bincount(index[outcomes.correct], minlength=BINS)
    total = np.bincount(index, weights=confidence, minlength=BINS)
    return tuple(
        ReliabilityBin(
            float(edges[m]), float(edges[m + 1]), int(n[m]), int(correct[m]), float(total[m] / n[m]) if n[m] else None
        )
        for m in range(BINS)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> Estimate:
    """Return the sum over bins m of (n_m / N) |accuracy_m - confidence_m|, and its 95% interval.

    Sampling noise biases the sum upwards, by at most sqrt(2 / pi) standard errors of each bin's accuracy: the expected
    gap of a calibrated bin. The upper limit is the sum plus Z standard errors of the sum; the lower limit is the sum
    minus Z standard errors and minus this largest bias. The number of images in each bin and their mean confidence are
    treated as fixed.

    Args:
        bins: bins of `reliability_bins`.

    Returns:
        The error, 0..1; without an image it is 0 with the interval (0, 1).
    """
    filled = [bin for bin in bins if bin.n]
    if not filled:
        return Estimate(0.0, Interval(0.0, 1.0))
    n = np.array([bin.n for bin in filled], np.float64)
    correct = np.array([bin.correct for bin in filled], np.float64)
    confidence = np.array([bin.confidence for bin in filled], np.float64)
    weight = n / n.sum()
    value = float(weight @ np.abs(correct / n - confidence))
    errors = weight * share_deviations(correct, n)
    half, bias = Z * math.sqrt(float(errors @ errors)), math.sqrt(2 / math.pi) * float(errors.sum())
    return Estimate(value, Interval(max(0.0, value - bias - half), min(1.0, value + half)))


def negative_log_likelihood(outcomes: Outcomes) -> Estimate:
    """Return the mean of -log p(true class), in nats, with the normal interval of a mean, limited to 0 or more.

    Without an image it is 0 with the interval (0, inf).
    """
    if not len(outcomes):
        return Estimate(0.0, Interval(0.0, float("inf")))
    low, high = mean_interval(outcomes.losses)
    return Estimate(float(outcomes.losses.mean(dtype=np.float64)), Interval(max(0.0, low), high))
