"""McNemar's test and Tango's interval against scipy, against a numerical likelihood, and against published values."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from birdnet_cli.core.evaluation.intervals import Z
from birdnet_cli.core.evaluation.paired_tests import _score, mcnemar_p_value, paired_difference_interval


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (1, 7), (5, 5), (16, 53), (0, 60), (301, 340)])
def test_the_p_value_is_scipys_binomial_test(only_a: int, only_b: int) -> None:
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert mcnemar_p_value(only_a, only_b) == pytest.approx(expected, rel=1e-10)
    assert mcnemar_p_value(only_b, only_a) == mcnemar_p_value(only_a, only_b)


def test_models_that_never_disagree_do_not_differ() -> None:
    assert mcnemar_p_value(0, 0) == 1.0


def test_the_p_value_of_a_hundred_thousand_changes_is_no_overflow() -> None:
    assert mcnemar_p_value(49_000, 50_000) == pytest.approx(stats.binomtest(49_000, 99_000).pvalue, rel=1e-6)
    assert mcnemar_p_value(0, 100_000) == 0.0


@pytest.mark.parametrize(
    ("only_a", "only_b", "n", "low", "high"),
    [
        # Bentur et al. 2009, and Newcombe 1998, as tabulated for Tango's interval.
        (7, 1, 21, -0.517, -0.026),
        (2, 12, 50, 0.0611, 0.3447),
    ],
)
def test_tangos_interval_has_the_published_values(only_a: int, only_b: int, n: int, low: float, high: float) -> None:
    assert paired_difference_interval(only_a, only_b, n) == pytest.approx((low, high), abs=6e-4)


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(7, 1, 21), (2, 12, 50), (53, 16, 1600), (3, 0, 40)])
def test_at_a_limit_the_score_of_the_most_likely_model_is_at_its_threshold(only_a: int, only_b: int, n: int) -> None:
    for limit, score in zip(paired_difference_interval(only_a, only_b, n), (Z, -Z), strict=True):
        share = most_likely_share(only_a, only_b, n, limit)
        spread = math.sqrt(n * (2 * share + limit - limit**2))
        assert (only_b - only_a - n * limit) / spread == pytest.approx(score, abs=1e-4)


def test_two_models_that_never_disagree_have_wilsons_width_around_zero() -> None:
    n = 100
    assert paired_difference_interval(0, 0, n) == pytest.approx((-(Z**2) / (n + Z**2), Z**2 / (n + Z**2)), abs=1e-9)


def test_swapping_the_models_turns_the_interval_round() -> None:
    low, high = paired_difference_interval(9, 4, 60)
    assert paired_difference_interval(4, 9, 60) == pytest.approx((-high, -low), abs=1e-12)


def test_the_interval_stays_within_what_a_difference_can_be() -> None:
    assert paired_difference_interval(0, 12, 12).high == 1.0
    assert paired_difference_interval(12, 0, 12).low == -1.0
    assert paired_difference_interval(0, 0, 0) == (-1.0, 1.0)


def test_the_score_falls_as_the_difference_rises() -> None:
    scores = [_score(5, 9, 40, float(difference)) for difference in np.linspace(-0.99, 0.99, 199)]
    assert all(np.diff(scores) < 0)


def test_the_interval_holds_the_true_difference_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    only_a, only_b, n = 0.03, 0.08, 150
    held = 0
    for counts in rng.multinomial(n, [only_a, only_b, 1 - only_a - only_b], size=1000):
        low, high = paired_difference_interval(int(counts[0]), int(counts[1]), n)
        held += low <= only_b - only_a <= high
    assert held / 1000 == pytest.approx(0.95, abs=0.022)


def most_likely_share(only_a: int, only_b: int, n: int, difference: float) -> float:
    """The share of images that A alone gets correct, by maximising the likelihood numerically."""

    def loss(share: float) -> float:
        parts = np.array([share, share + difference, 1 - 2 * share - difference])
        return -float(np.array([only_a, only_b, n - only_a - only_b]) @ np.log(np.maximum(parts, 1e-300)))

    bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
    return float(optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
