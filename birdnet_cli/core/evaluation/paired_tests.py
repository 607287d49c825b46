"""Counts of a paired comparison -> McNemar's p-value and Tango's interval of the difference of two accuracies.

Both depend on the images that exactly one of the models predicts correctly (`only_a`, `only_b`), and on n, all images.
Sources: McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions, 1947 (in its exact,
binomial form); Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for the Paired-Sample
Design, 1998.
"""

import math

import numpy as np

from birdnet_cli.core.evaluation.intervals import Interval, Z

__all__ = ["mcnemar_p_value", "paired_difference_interval"]

HALVINGS = 60


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Return the two-sided exact p-value of McNemar's test: 2 P(X <= min), X ~ Binomial(only_a + only_b, 1/2).

    Args:
        only_a: number of images that A alone predicts correctly.
        only_b: number of images that B alone predicts correctly.

    Returns:
        The p-value, 0..1; 1 if both counts are 0.
    """
    fewer, total = min(only_a, only_b), only_a + only_b
    k = np.arange(1, fewer + 1)
    log_terms = np.concatenate([[0.0], np.cumsum(np.log((total - k + 1) / k))])  # log of C(total, 0..fewer)
    return min(1.0, 2 * math.exp(float(np.logaddexp.reduce(log_terms)) - total * math.log(2)))


def paired_difference_interval(only_a: int, only_b: int, n: int) -> Interval:
    """Return Tango's 95% score interval of accuracy(B) - accuracy(A) = (only_b - only_a) / n.

    It holds the differences that a score test does not reject (Wilson's interval for pairs). Its width is above 0 even
    if the two models never disagree.

    Args:
        only_a: number of images that A alone predicts correctly.
        only_b: number of images that B alone predicts correctly.
        n: number of all images, 0 or more.

    Returns:
        Limits within -1..1; (-1, 1) if n is 0.
    """
    if n == 0:
        return Interval(-1.0, 1.0)
    middle = (only_b - only_a) / n
    return Interval(
        _solve(only_a, only_b, n, target=Z, accepted=middle, rejected=-1.0),
        _solve(only_a, only_b, n, target=-Z, accepted=middle, rejected=1.0),
    )


def _solve(only_a: int, only_b: int, n: int, *, target: float, accepted: float, rejected: float) -> float:
    """Return the difference between `accepted` and `rejected` at which the score is `target`."""
    for _ in range(HALVINGS):
        middle = (accepted + rejected) / 2
        if abs(_score(only_a, only_b, n, middle)) < abs(target):
            accepted = middle
        else:
            rejected = middle
    return (accepted + rejected) / 2


def _score(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Return the score statistic of a difference; it is standard normal if this is the true difference."""
    excess = only_b - only_a - n * difference
    # q is the most likely share of images that A alone predicts correctly, given that B's share is q + difference.
    # It solves 2 n q^2 + s q + t = 0.
    s = (2 * n + only_a - only_b) * difference - only_a - only_b
    t = -only_a * difference * (1 - difference)
    q = (math.sqrt(max(0.0, s * s - 8 * n * t)) - s) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess)
