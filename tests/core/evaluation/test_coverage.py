"""Accuracy against coverage, against sorting by hand."""

import numpy as np
import pytest

from birdnet_cli.core.evaluation.coverage import coverage_curve, widest_coverage
from birdnet_cli.core.evaluation.intervals import wilson_interval
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = tuple("abc")
HALF_SURE = evaluation_of(CLASSES, [(0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.8), (1, 1, 0.7), (1, 2, 0.6)]).outcomes


def test_points_rise_to_full_coverage_at_the_plain_accuracy() -> None:
    curve = coverage_curve(HALF_SURE)
    assert [point.n for point in curve] == [1, 3, 4, 5]
    assert [point.coverage for point in curve] == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert [point.accuracy for point in curve] == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    assert [point.threshold for point in curve] == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_images_of_the_same_confidence_are_answered_together() -> None:
    for point in coverage_curve(HALF_SURE):
        assert point.n == (HALF_SURE.confidence >= np.float32(point.threshold)).sum()


def test_a_point_has_wilsons_interval_of_its_answers() -> None:
    assert coverage_curve(HALF_SURE)[1].interval == wilson_interval(2, 3)


def test_many_images_make_a_hundred_points_evenly_spaced() -> None:
    outcomes = simulate(classes=CLASSES, n=5000, sharpness=1.0).outcomes
    curve = coverage_curve(outcomes)
    assert len(curve) == 100
    assert np.diff([point.coverage for point in curve]) == pytest.approx(np.full(99, 0.01), abs=1e-3)
    order = np.argsort(-outcomes.confidence, kind="stable")
    for point in curve[::10]:
        assert point.accuracy == pytest.approx(outcomes.correct[order][: point.n].mean())


def test_images_of_a_single_confidence_make_a_single_point() -> None:
    (point,) = coverage_curve(evaluation_of(CLASSES, [(0, 0, 0.5)] * 7 + [(1, 0, 0.5)] * 3).outcomes)
    assert (point.n, point.correct, point.coverage) == (10, 7, 1.0)


def test_without_an_image_there_is_no_point() -> None:
    assert coverage_curve(HALF_SURE.select(np.zeros(5, bool))) == ()
    assert widest_coverage(HALF_SURE.select(np.zeros(5, bool)), 0.5) is None


def test_the_widest_coverage_that_is_accurate_enough_is_chosen_even_past_a_dip() -> None:
    chosen = widest_coverage(HALF_SURE, 0.7)
    assert chosen is not None
    # At three images the accuracy is 2 / 3, at four 3 / 4.
    assert (chosen.n, chosen.accuracy) == (4, 0.75)
    full = widest_coverage(HALF_SURE, 0.6)
    assert full is not None
    assert full.coverage == 1.0


def test_an_accuracy_that_is_never_reached_has_no_coverage() -> None:
    assert widest_coverage(evaluation_of(CLASSES, [(0, 1, 0.9), (0, 0, 0.8)]).outcomes, 0.9) is None
