"""Recall, precision and confusions, against a confusion matrix counted by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from birdnet_cli.core.evaluation.intervals import wilson_interval
from birdnet_cli.core.evaluation.per_class import (
    ClassEvaluation,
    Confusion,
    count_classes,
    macro_precision,
    macro_recall,
    rank_confusions,
)
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
# true \ predicted   auk crow kiwi
# auk              2   1    1
# crow             2   1    0
# kiwi             0   0    0
PREDICTIONS = [(0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.7), (0, 2, 0.6), (1, 0, 0.9), (1, 0, 0.5), (1, 1, 0.4)]
BIRDS = evaluation_of(CLASSES, PREDICTIONS)


def test_recall_is_a_share_of_the_images_and_precision_of_the_predictions() -> None:
    auk, crow, kiwi = count_classes(BIRDS.outcomes, CLASSES)
    assert auk == ClassEvaluation("auk", 4, 4, 2)
    assert (auk.recall, auk.precision) == (2 / 4, 2 / 4)
    assert (crow.recall, crow.precision) == (1 / 3, 1 / 2)
    assert (kiwi.n, kiwi.recall, kiwi.precision) == (0, None, 0.0)


def test_a_share_of_no_image_is_none_and_has_no_interval() -> None:
    kiwi = count_classes(BIRDS.outcomes, CLASSES)[2]
    assert kiwi.recall_interval is None
    assert kiwi.precision_interval == wilson_interval(0, 1)
    never_predicted = count_classes(evaluation_of(CLASSES, [(2, 0, 0.9)]).outcomes, CLASSES)[2]
    assert (never_predicted.recall, never_predicted.precision, never_predicted.precision_interval) == (0.0, None, None)


def test_intervals_are_wilsons_over_images_and_over_predictions() -> None:
    crow = count_classes(BIRDS.outcomes, CLASSES)[1]
    assert crow.recall_interval == wilson_interval(1, 3)
    assert crow.precision_interval == wilson_interval(1, 2)


def test_confusions_come_by_falling_count_then_by_name_and_without_the_diagonal() -> None:
    assert rank_confusions(BIRDS.outcomes, CLASSES) == (
        Confusion("crow", "auk", 2),
        Confusion("auk", "crow", 1),
        Confusion("auk", "kiwi", 1),
    )


def test_macro_means_leave_out_classes_without_an_image_or_a_prediction() -> None:
    per_class = count_classes(BIRDS.outcomes, CLASSES)
    assert macro_recall(per_class).value == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert macro_precision(per_class).value == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)


def test_macro_means_without_an_image_have_the_interval_from_0_to_1() -> None:
    empty = count_classes(evaluation_of(CLASSES, PREDICTIONS).outcomes.select(np.zeros(7, bool)), CLASSES)
    assert macro_recall(empty).interval == macro_precision(empty).interval == (0.0, 1.0)


def test_recall_precision_and_confusions_are_scikit_learns() -> None:
    classes = tuple(f"class {number}" for number in range(23))
    outcomes = simulate(classes=classes, n=900, sharpness=1.5, seed=3).outcomes
    per_class = count_classes(outcomes, classes)
    true, predicted = outcomes.labels, outcomes.top[:, 0]
    labels = list(range(23))
    assert [row.recall for row in per_class] == pytest.approx(
        metrics.recall_score(true, predicted, average=None, labels=labels)
    )
    assert [row.precision for row in per_class] == pytest.approx(
        metrics.precision_score(true, predicted, average=None, labels=labels)
    )
    assert macro_recall(per_class).value == pytest.approx(metrics.recall_score(true, predicted, average="macro"))
    assert macro_precision(per_class).value == pytest.approx(metrics.precision_score(true, predicted, average="macro"))
    matrix = metrics.confusion_matrix(true, predicted)
    counted = {(pair.true, pair.predicted): pair.count for pair in rank_confusions(outcomes, classes)}
    for row in labels:
        for column in labels:
            if row != column:
                assert counted.get((classes[row], classes[column]), 0) == matrix[row, column]


def test_confusions_of_ten_thousand_classes_take_no_square_of_memory() -> None:
    classes = tuple(map(str, range(10_000)))
    predictions = [(9_999, 0, 0.5), (9_999, 0, 0.5), (1, 9_999, 0.5)]
    small = evaluation_of(tuple("abcdef"), [(5, 0, 0.5), (5, 0, 0.5), (1, 5, 0.5)]).outcomes
    small.labels[:] = [true for true, _, _ in predictions]
    small.top[:, 0] = [predicted for _, predicted, _ in predictions]
    assert rank_confusions(small, classes) == (Confusion("9999", "0", 2), Confusion("1", "9999", 1))
