"""Counts and samples -> 95% confidence intervals: of a share, of a mean of shares, of a mean.

Sources: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927 (a share); Kish, Survey
Sampling, 1965, section 8.2 (the number of images that an unequally weighted mean is worth); Agresti and Coull,
Approximate Is Better than "Exact" for Interval Estimation of Binomial Proportions, 1998 (a spread that is never 0).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "Interval",
    "Z",
    "mean_interval",
    "mean_share_interval",
    "share_deviations",
    "wilson_interval",
    "wilson_limits",
]

CONFIDENCE = 0.95
# The standard normal quantile at 1 - (1 - CONFIDENCE) / 2.
Z = 1.959963984540054


class Interval(NamedTuple):
    """The limits of a confidence interval, `low` <= `high`."""

    low: float
    high: float


def wilson_interval(part: int, whole: int) -> Interval:
    """Return the Wilson score interval of a share.

    The shares p at which a score test would not reject `part` of `whole`: (part - whole p)^2 <= Z^2 whole p (1 - p).
    Of nothing it is (0, 1): nothing is known.

    Args:
        part: how many have the property, 0..whole.
        whole: how many there are.
    """
    low, high = wilson_limits(part, whole)
    return Interval(float(low), float(high))


def wilson_limits(part: ArrayLike, whole: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper limits of `wilson_interval` for many shares at once. [n], [n] -> [n], [n]."""
    k, n = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    centre = (k + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * np.sqrt(k * (n - k) / np.maximum(n, 1) + Z**2 / 4)
    # At the ends the two terms cancel exactly, but for rounding.
    low: NDArray[np.float64] = np.where(k == 0, 0.0, centre - half)
    high: NDArray[np.float64] = np.where(k == n, 1.0, centre + half)
    return low, high


def mean_share_interval(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Interval:
    """Return the interval of the mean of m independent shares that weigh alike, however many images each is of.

    It is Wilson's for the mean share of as many images as the mean is worth: m^2 / sum(1 / whole), or fewer where the
    spread within the shares says so. If all are of equally many images, it is at most all of these.

    Args:
        part: [m] how many of each have the property, m >= 1.
        whole: [m] how many there are of each, at least 1.
    """
    m, share = len(whole), part / whole
    mean = float(share.mean())
    worth = m**2 / float((1 / whole).sum())
    variance = float((share * (1 - share) / np.maximum(whole - 1, 1)).sum()) / m**2
    if variance > 0:
        worth = min(worth, mean * (1 - mean) / variance)
    # Rounding may carry the mean of ones past 1.
    low, high = wilson_limits(min(mean * worth, worth), worth)
    return Interval(float(low), float(high))


def share_deviations(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard errors of shares, with Z^2 / 2 successes and failures added so that none is 0. [m] -> [m]."""
    n = whole + Z**2
    share = (part + Z**2 / 2) / n
    return np.asarray(np.sqrt(share * (1 - share) / n))


def mean_interval(values: NDArray[np.floating[Any]]) -> Interval:
    """Return mean -/+ Z s / sqrt(n) of a sample [n]; the whole line where n < 2, for s is then unknown."""
    n = len(values)
    if n < 2:
        return Interval(-math.inf, math.inf)
    values = np.asarray(values, np.float64)
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95% confidence interval.

    Attributes:
        value: the figure.
        interval: its limits.
        part: the numerator, where the figure is a share of counts; else None.
        whole: the denominator, likewise.
    """

    value: float
    interval: Interval
    part: int | None = None
    whole: int | None = None

    @classmethod
    def share(cls, part: int, whole: int) -> "Estimate":
        """Return part / whole with its Wilson interval; of nothing, 0 with an interval that says so."""
        return cls(part / whole if whole else 0.0, wilson_interval(part, whole), part, whole)
