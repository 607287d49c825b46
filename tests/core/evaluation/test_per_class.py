"""Recall, precision and confusions, against a confusion matrix counted by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from birdnet_cli.core.evaluation.intervals import wilson_interval
from birdnet_cli.core.evaluation.per_class import (
    ClassFigures,
    Confusion,
    count_classes,
    macro_precision,
    macro_recall,
    rank_confusions,
)
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
# true \ called   auk crow kiwi
# auk              2   1    1
# crow             2   1    0
# kiwi             0   0    0
CALLS = [(0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.7), (0, 2, 0.6), (1, 0, 0.9), (1, 0, 0.5), (1, 1, 0.4)]
BIRDS = evaluation_of(CLASSES, CALLS)


def test_recall_is_of_the_images_and_precision_of_the_calls() -> None:
    auk, crow, kiwi = count_classes(BIRDS.outcomes, CLASSES)
    assert auk == ClassFigures("auk", 4, 4, 2)
    assert (auk.recall, auk.precision) == (2 / 4, 2 / 4)
    assert (crow.recall, crow.precision) == (1 / 3, 1 / 2)
    assert (kiwi.n, kiwi.recall, kiwi.precision) == (0, None, 0.0)


def test_a_share_over_no_image_is_no_number_and_has_no_interval() -> None:
    kiwi = count_classes(BIRDS.outcomes, CLASSES)[2]
    assert kiwi.recall_interval is None
    assert kiwi.precision_interval == wilson_interval(0, 1)
    never_called = count_classes(evaluation_of(CLASSES, [(2, 0, 0.9)]).outcomes, CLASSES)[2]
    assert (never_called.recall, never_called.precision, never_called.precision_interval) == (0.0, None, None)


def test_intervals_are_wilsons_over_images_and_over_calls() -> None:
    crow = count_classes(BIRDS.outcomes, CLASSES)[1]
    assert crow.recall_interval == wilson_interval(1, 3)
    assert crow.precision_interval == wilson_interval(1, 2)


def test_confusions_come_by_falling_count_then_by_name_and_without_the_diagonal() -> None:
    assert rank_confusions(BIRDS.outcomes, CLASSES) == (
        Confusion("crow", "auk", 2),
        Confusion("auk", "crow", 1),
        Confusion("auk", "kiwi", 1),
    )


def test_macro_figures_leave_out_what_has_no_image_or_no_call() -> None:
    figures = count_classes(BIRDS.outcomes, CLASSES)
    assert macro_recall(figures).value == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert macro_precision(figures).value == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)


def test_of_no_image_the_macro_figures_know_nothing() -> None:
    empty = count_classes(evaluation_of(CLASSES, CALLS).outcomes.select(np.zeros(7, bool)), CLASSES)
    assert macro_recall(empty).interval == macro_precision(empty).interval == (0.0, 1.0)


def test_every_figure_is_scikit_learns() -> None:
    classes = tuple(f"class {number}" for number in range(23))
    outcomes = simulate(classes=classes, n=900, sharpness=1.5, seed=3).outcomes
    figures = count_classes(outcomes, classes)
    true, called = outcomes.labels, outcomes.top[:, 0]
    labels = list(range(23))
    assert [row.recall for row in figures] == pytest.approx(
        metrics.recall_score(true, called, average=None, labels=labels)
    )
    assert [row.precision for row in figures] == pytest.approx(
        metrics.precision_score(true, called, average=None, labels=labels)
    )
    assert macro_recall(figures).value == pytest.approx(metrics.recall_score(true, called, average="macro"))
    assert macro_precision(figures).value == pytest.approx(metrics.precision_score(true, called, average="macro"))
    matrix = metrics.confusion_matrix(true, called)
    counted = {(pair.true, pair.predicted): pair.count for pair in rank_confusions(outcomes, classes)}
    for row in labels:
        for column in labels:
            if row != column:
                assert counted.get((classes[row], classes[column]), 0) == matrix[row, column]


def test_confusions_of_ten_thousand_classes_take_no_square_of_memory() -> None:
    classes = tuple(map(str, range(10_000)))
    calls = [(9_999, 0, 0.5), (9_999, 0, 0.5), (1, 9_999, 0.5)]
    small = evaluation_of(tuple("abcdef"), [(5, 0, 0.5), (5, 0, 0.5), (1, 5, 0.5)]).outcomes
    small.labels[:] = [true for true, _, _ in calls]
    small.top[:, 0] = [called for _, called, _ in calls]
    assert rank_confusions(small, classes) == (Confusion("9999", "0", 2), Confusion("1", "9999", 1))
