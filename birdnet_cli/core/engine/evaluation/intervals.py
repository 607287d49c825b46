"""Counts and samples -> 95% confidence intervals: of a share, of a mean of shares, of a mean.

Sources: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927 (a share); Zou and Donner,
Construction of Confidence Limits About Effect Measures, 2008 (MOVER: the limits of a sum from those of its terms).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CONFIDENCE", "Interval", "Z", "combine_limits", "mean_interval", "wilson_interval", "wilson_limits"]

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


def combine_limits(
    value: float, *, below: NDArray[np.floating[Any]], above: NDArray[np.floating[Any]], least: float, most: float
) -> Interval:
    """Return the interval of a sum of independent estimates: value - sqrt(sum below^2), value + sqrt(sum above^2).

    Args:
        value: the sum.
        below: [n] distance from each term to its own lower limit.
        above: [n] distance from each term to its own upper limit.
        least: what the sum cannot be below.
        most: what it cannot exceed.
    """
    return Interval(max(least, value - math.hypot(*below.tolist())), min(most, value + math.hypot(*above.tolist())))


def mean_interval(values: NDArray[np.floating[Any]]) -> Interval:
    """Return mean -/+ Z s / sqrt(n) of a sample [n]; the whole line where n < 2, for s is then unknown."""
    n = len(values)
    if n < 2:
        return Interval(-math.inf, math.inf)
    values = np.asarray(values, np.float64)
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean - half, mean + half)
