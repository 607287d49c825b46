"""Counts and samples -> 95% confidence intervals of a share, of a mean of shares, and of a mean.

Sources: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927 (a share); Kish, Survey
Sampling, 1965, section 8.2 (effective sample size of an unequally weighted mean); Agresti and Coull, Approximate Is
Better than "Exact" for Interval Estimation of Binomial Proportions, 1998 (a standard error that is never 0).
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
    """Return the 95% Wilson score interval of the share part / whole.

    It holds the shares p that a score test does not reject: (part - whole p)^2 <= Z^2 whole p (1 - p).

    Args:
        part: number of images with the property, 0..whole.
        whole: number of images, 0 or more.

    Returns:
        Limits within 0..1; (0, 1) if `whole` is 0.
    """
    low, high = wilson_limits(part, whole)
    return Interval(float(low), float(high))


def wilson_limits(part: ArrayLike, whole: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits of `wilson_interval` for n shares at once.

    Args:
        part: [n] images with the property, 0..whole; fractions are allowed.
        whole: [n] images, 0 or more; fractions are allowed.

    Returns:
        float64 [n] lower and float64 [n] upper limits, 0..1.
    """
    k, n = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    centre = (k + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * np.sqrt(k * (n - k) / np.maximum(n, 1) + Z**2 / 4)
    # The limit is exactly 0 or 1 here; the subtraction would leave a rounding error.
    low: NDArray[np.float64] = np.where(k == 0, 0.0, centre - half)
    high: NDArray[np.float64] = np.where(k == n, 1.0, centre + half)
    return low, high


def mean_share_interval(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Interval:
    """Return the 95% interval of the unweighted mean of m independent shares.

    It is Wilson's interval of the mean share at the effective number of images: m^2 / sum(1 / whole), or
    mean (1 - mean) / variance of the mean if that is smaller. With w images in every share, the effective number is at
    most m w.

    Args:
        part: [m] images with the property in each share, 0..whole; m >= 1.
        whole: [m] images of each share, at least 1.

    Returns:
        Limits within 0..1.
    """
    m, share = len(whole), part / whole
    mean = float(share.mean())
    effective = m**2 / float((1 / whole).sum())
    variance = float((share * (1 - share) / np.maximum(whole - 1, 1)).sum()) / m**2
    if variance > 0:
        effective = min(effective, mean * (1 - mean) / variance)
    # Rounding may carry a mean share of 1 past 1.
    low, high = wilson_limits(min(mean * effective, effective), effective)
    return Interval(float(low), float(high))


def share_deviations(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard errors of shares, with Z^2 / 2 successes and failures added so that none is 0.

    Args:
        part: [m] images with the property, 0..whole.
        whole: [m] images, 0 or more.

    Returns:
        float64 [m], above 0, in the unit of the shares (a fraction of 1).
    """
    n = whole + Z**2
    share = (part + Z**2 / 2) / n
    return np.asarray(np.sqrt(share * (1 - share) / n))


def mean_interval(values: NDArray[np.floating[Any]]) -> Interval:
    """Return the 95% normal interval of a mean: mean -/+ Z s / sqrt(n).

    Args:
        values: [n] sample, of any unit.

    Returns:
        Limits in the unit of `values`; (-inf, inf) if n < 2, where the standard deviation s is unknown.
    """
    n = len(values)
    if n < 2:
        return Interval(-math.inf, math.inf)
    values = np.asarray(values, np.float64)
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value and its 95% confidence interval.

    Attributes:
        value: the value: a fraction of 1 for shares and the calibration error, nats for the log loss.
        interval: its limits, in the same unit.
        part: numerator of a share, in images; None for other metrics.
        whole: denominator of a share, in images; None for other metrics.
    """

    value: float
    interval: Interval
    part: int | None = None
    whole: int | None = None

    @classmethod
    def share(cls, part: int, whole: int) -> "Estimate":
        """Return part / whole with its Wilson interval; 0 with the interval (0, 1) if `whole` is 0.

        Args:
            part: images with the property, 0..whole.
            whole: images, 0 or more.
        """
        return cls(part / whole if whole else 0.0, wilson_interval(part, whole), part, whole)
