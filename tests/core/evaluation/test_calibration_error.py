"""Reliability, calibration error and log loss, against plain loops, scikit-learn, and simulated truth."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics

from birdnet_cli.core.evaluation.calibration_error import (
    BINS,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from birdnet_cli.core.evaluation.outcomes import OutcomeCollector, Outcomes
from tests.core.evaluation.simulated import digests_of, evaluation_of, simulate

CLASSES = tuple("abcd")


def drawn(confidence: np.ndarray, correct: np.ndarray) -> Outcomes:
    """Return outcomes of given confidences and correctness; the other columns are made up."""
    n = len(confidence)
    predicted = np.where(correct, 0, 1)
    return Outcomes(
        names=tuple(map(str, range(n))),
        digests=np.zeros((n, 32), np.uint8),
        labels=np.zeros(n, np.int32),
        top=np.stack([predicted, 1 - predicted], axis=1).astype(np.int32),
        probs=np.stack([confidence, 1 - confidence], axis=1).astype(np.float32),
        losses=np.zeros(n, np.float32),
    )


def test_confidences_on_either_side_of_an_edge_are_in_different_bins() -> None:
    # 6 / 15 is an edge; 0.4 as float32 is a little more than it, and the number below that a little less.
    edge = np.float32(0.4)
    below = np.nextafter(edge, np.float32(0))
    bins = reliability_bins(drawn(np.array([below, edge, 1.0]), np.array([True, False, True])))
    assert [bin.n for bin in bins] == [0] * 5 + [1, 1] + [0] * 7 + [1]
    assert (bins[5].low, bins[5].high) == pytest.approx((5 / 15, 6 / 15))


def test_bins_hold_images_correct_predictions_and_the_mean_confidence() -> None:
    evaluation = evaluation_of(CLASSES, [(0, 0, 0.81), (0, 1, 0.85), (2, 2, 0.86), (3, 3, 0.5)])
    bins = reliability_bins(evaluation.outcomes)
    assert len(bins) == BINS == 15
    assert (bins[12].n, bins[12].correct) == (3, 2)
    assert bins[12].confidence == pytest.approx((0.81 + 0.85 + 0.86) / 3)
    assert bins[12].accuracy == pytest.approx(2 / 3)
    assert (bins[0].n, bins[0].confidence, bins[0].accuracy) == (0, None, None)


def test_the_calibration_error_is_the_weighted_gap_summed_over_a_plain_loop() -> None:
    outcomes = simulate(classes=CLASSES, n=700, sharpness=1.0, seed=5).outcomes
    total = 0.0
    for m in range(15):
        inside = [
            (float(confidence), bool(correct))
            for confidence, correct in zip(outcomes.confidence, outcomes.correct, strict=True)
            if m / 15 < float(confidence) <= (m + 1) / 15
        ]
        if inside:
            accuracy = sum(correct for _, correct in inside) / len(inside)
            confidence = sum(value for value, _ in inside) / len(inside)
            total += len(inside) / 700 * abs(accuracy - confidence)
    assert expected_calibration_error(reliability_bins(outcomes)).value == pytest.approx(total, rel=1e-9)


def test_always_sure_and_always_wrong_is_an_error_of_1() -> None:
    outcomes = drawn(np.ones(40), np.zeros(40, bool))
    assert expected_calibration_error(reliability_bins(outcomes)).value == 1.0


def test_the_error_without_an_image_has_the_interval_from_0_to_1() -> None:
    estimate = expected_calibration_error(reliability_bins(drawn(np.empty(0), np.empty(0, bool))))
    assert estimate.interval == (0.0, 1.0)


def test_three_correct_predictions_do_not_prove_calibration() -> None:
    estimate = expected_calibration_error(reliability_bins(drawn(np.full(3, 0.99), np.ones(3, bool))))
    assert estimate.value == pytest.approx(0.01, abs=1e-6)
    assert estimate.interval.high > 0.3


@pytest.mark.parametrize("n", [50, 200, 1800])
@pytest.mark.parametrize("kind", ["calibrated", "too sure", "too modest", "mixed"])
def test_the_interval_holds_the_true_error_at_least_nineteen_times_in_twenty(n: int, kind: str) -> None:
    shift = {
        "calibrated": lambda c: 0 * c,
        "too sure": lambda c: -0.05 * c,
        "too modest": lambda c: 0.5 * (1 - c),
        "mixed": lambda c: 0.08 * np.sin(12 * c),
    }[kind]
    rng = np.random.default_rng(0)
    held, rounds = 0, 250
    for _ in range(rounds):
        confidence = np.clip(rng.beta(6, 0.6, n), 0.02, 0.9999).astype(np.float32).astype(float)
        rate = np.clip(confidence + shift(confidence), 0.001, 0.999)
        bins = reliability_bins(drawn(confidence, rng.random(n) < rate))
        place = np.ceil(confidence * 15)
        truth = sum(abs((rate - confidence)[place == m].sum()) for m in range(1, 16)) / n
        low, high = expected_calibration_error(bins).interval
        held += low <= truth <= high
    assert held / rounds >= 0.94


def test_the_log_loss_is_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    probabilities = torch.softmax(torch.from_numpy(rng.normal(size=(300, 4)) * 3), dim=1)
    labels = rng.integers(0, 4, 300)
    collector = OutcomeCollector(4)
    names = list(map(str, range(300)))
    collector.add(probabilities, torch.from_numpy(labels), names=names, digests=digests_of(names))
    estimate = negative_log_likelihood(collector.outcomes())
    assert estimate.value == pytest.approx(metrics.log_loss(labels, probabilities.numpy(), labels=range(4)), rel=1e-6)
    assert estimate.interval.low < estimate.value < estimate.interval.high


def test_the_log_loss_of_one_image_has_no_upper_limit() -> None:
    estimate = negative_log_likelihood(evaluation_of(CLASSES, [(0, 0, 0.5)]).outcomes)
    assert estimate.value == pytest.approx(math.log(2), rel=1e-6)
    assert estimate.interval == (0.0, math.inf)
