"""Intervals against scipy's, against their definitions, and against how often they hold the truth."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from birdnet_cli.core.evaluation.intervals import (
    CONFIDENCE,
    Interval,
    Z,
    mean_interval,
    mean_share_interval,
    share_deviations,
    wilson_interval,
    wilson_limits,
)

COUNTS = [(0, 1), (1, 1), (0, 30), (3, 30), (15, 30), (29, 30), (30, 30), (1708, 1800), (99_999, 100_000)]


def test_z_belongs_to_95_percent() -> None:
    assert pytest.approx(stats.norm.ppf(0.975), abs=1e-12) == Z
    assert CONFIDENCE == 0.95


@pytest.mark.parametrize(("part", "whole"), COUNTS)
def test_wilson_is_scipys(part: int, whole: int) -> None:
    expected = stats.binomtest(part, whole).proportion_ci(0.95, method="wilson")
    assert wilson_interval(part, whole) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("part", "whole"), [pair for pair in COUNTS if 0 < pair[0] < pair[1]])
def test_at_a_limit_of_wilson_the_score_test_is_at_its_threshold(part: int, whole: int) -> None:
    for limit in wilson_interval(part, whole):
        assert (part - whole * limit) ** 2 == pytest.approx(Z**2 * whole * limit * (1 - limit), rel=1e-9)


def test_wilson_of_none_or_all_ends_at_exactly_0_or_1_and_has_some_width() -> None:
    assert wilson_interval(0, 7).low == 0.0
    assert wilson_interval(7, 7).high == 1.0
    assert wilson_interval(7, 7).low < 0.7


def test_wilson_of_no_image_is_0_to_1() -> None:
    assert wilson_interval(0, 0) == Interval(0.0, 1.0)


def test_many_wilson_limits_are_those_of_each() -> None:
    low, high = wilson_limits([part for part, _ in COUNTS], [whole for _, whole in COUNTS])
    assert list(zip(low, high, strict=True)) == [wilson_interval(*pair) for pair in COUNTS]


def test_the_mean_of_equally_large_classes_has_the_interval_of_all_their_images() -> None:
    part, whole = np.array([28, 30, 25]), np.array([30, 30, 30])
    assert mean_share_interval(part, whole) == pytest.approx(wilson_interval(83, 90), abs=1e-12)


def test_a_small_class_makes_the_interval_of_the_mean_wide() -> None:
    assert mean_share_interval(np.array([50, 50]), np.array([50, 50])) == pytest.approx(wilson_interval(100, 100))
    # The effective number of images is 4 / (1 / 90 + 1 / 10) = 36.
    assert mean_share_interval(np.array([90, 10]), np.array([90, 10])) == pytest.approx(wilson_interval(36, 36))


def test_a_spread_in_the_small_class_counts_for_more_than_its_share() -> None:
    part, whole = np.array([2, 1000]), np.array([4, 1000])
    variance = 0.25 / 3 / 4
    expected = wilson_interval_of(0.75, 0.75 * 0.25 / variance)
    assert mean_share_interval(part, whole) == pytest.approx(expected, abs=1e-12)


def test_a_mean_of_shares_of_1_has_an_interval_of_some_width() -> None:
    low, high = mean_share_interval(np.array([3, 3]), np.array([3, 3]))
    assert (low, high) == pytest.approx(wilson_interval(6, 6))


@pytest.mark.parametrize(
    ("truth", "sizes"),
    [
        (lambda rng: np.full(60, 0.97), np.full(60, 30)),
        (lambda rng: rng.beta(18, 1.2, 60), np.full(60, 30)),
        (lambda rng: rng.beta(5, 1, 50), np.tile([1, 2, 3, 7, 40], 10)),
        (lambda rng: np.array([0.7, 0.9, 0.95]), np.full(3, 4)),
    ],
    ids=["alike", "spread", "uneven", "few"],
)
def test_the_interval_of_a_mean_of_shares_holds_the_truth_nineteen_times_in_twenty(
    truth: Callable[[np.random.Generator], np.ndarray], sizes: np.ndarray
) -> None:
    rng = np.random.default_rng(0)
    rates = truth(rng)
    intervals = [mean_share_interval(rng.binomial(sizes, rates), sizes) for _ in range(1500)]
    below = np.mean([rates.mean() < low for low, _ in intervals])
    above = np.mean([rates.mean() > high for _, high in intervals])
    # 2.5% each side; a gate stands on the lower limit, which must not be too high. 0.012 is three standard errors.
    assert below < 0.025 + 0.012
    assert above < 0.04


def test_a_mean_has_scipys_normal_interval() -> None:
    values = np.random.default_rng(1).exponential(size=200).astype(np.float32)
    expected = stats.norm.interval(0.95, loc=values.mean(dtype=float), scale=stats.sem(values.astype(float)))
    assert mean_interval(values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_the_interval_of_fewer_than_two_values_is_unbounded(n: int) -> None:
    assert mean_interval(np.ones(n)) == (-math.inf, math.inf)


def test_the_standard_error_of_a_share_is_above_0_and_approaches_the_usual_formula() -> None:
    assert share_deviations(np.array([3.0]), np.array([3.0]))[0] > 0.1
    large = share_deviations(np.array([200_000.0]), np.array([1_000_000.0]))[0]
    assert large == pytest.approx(math.sqrt(0.2 * 0.8 / 1_000_000), rel=1e-4)


def wilson_interval_of(share: float, whole: float) -> tuple[float, float]:
    low, high = wilson_limits(share * whole, whole)
    return float(low), float(high)
