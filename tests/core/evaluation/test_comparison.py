"""Two evaluations of the same images, against counting by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.evaluation.comparison import Change, compare_evaluations
from birdnet_cli.core.evaluation.paired_tests import mcnemar_p_value, paired_difference_interval
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
NAMES = ["a", "b", "c", "d", "e", "f"]
A = evaluation_of(
    CLASSES, [(0, 0, 0.9), (0, 1, 0.8), (0, 1, 0.7), (1, 1, 0.6), (1, 2, 0.5), (1, 1, 0.9)], names=NAMES
)  # fmt: skip
# b and c fixed, d broken, e wrong in another way.
B = evaluation_of(
    CLASSES, [(0, 0, 0.8), (0, 0, 0.6), (0, 0, 0.7), (1, 0, 0.5), (1, 0, 0.6), (1, 1, 0.9)], names=NAMES
)  # fmt: skip


def test_images_that_changed_are_listed_by_direction_the_surest_first() -> None:
    comparison = compare_evaluations(A, B)
    assert [change.name for change in comparison.fixed] == ["c", "b"]
    (broken,) = comparison.broken
    assert (broken.name, broken.true, broken.predicted_a, broken.predicted_b) == ("d", "crow", "crow", "auk")
    assert (broken.prob_a, broken.prob_b) == pytest.approx((0.6, 0.5))
    assert comparison.otherwise_wrong == 1


def test_the_difference_its_interval_and_the_test_are_of_the_pairs() -> None:
    comparison = compare_evaluations(A, B)
    assert (comparison.n, comparison.correct_a, comparison.correct_b) == (6, 3, 4)
    assert comparison.difference == pytest.approx(1 / 6)
    assert comparison.p_value == mcnemar_p_value(1, 2)
    assert comparison.interval == paired_difference_interval(1, 2, 6)


def test_classes_come_by_rising_difference() -> None:
    crow, auk = compare_evaluations(A, B).per_class
    assert (crow.name, crow.n, crow.correct_a, crow.correct_b, crow.fixed, crow.broken) == ("crow", 3, 2, 1, 0, 1)
    assert crow.difference == pytest.approx(-1 / 3)
    assert crow.interval == paired_difference_interval(1, 0, 3)
    assert (auk.name, auk.fixed, auk.broken) == ("auk", 2, 0)


def test_swapping_the_models_swaps_everything() -> None:
    forward, backward = compare_evaluations(A, B), compare_evaluations(B, A)
    assert {change.name for change in forward.fixed} == {change.name for change in backward.broken}
    assert forward.difference == -backward.difference
    assert forward.p_value == backward.p_value


def test_order_and_names_of_files_do_not_matter_but_their_bytes_do() -> None:
    order = np.array([4, 2, 0, 5, 3, 1])
    shuffled = B.outcomes.select(order)
    renamed = replace(B, outcomes=replace(shuffled, names=tuple(f"other/{name}" for name in shuffled.names)))
    first, second = compare_evaluations(A, B), compare_evaluations(A, renamed)
    assert first.fixed == second.fixed
    assert first.p_value == second.p_value
    assert second.only_in_a == second.only_in_b == ()


def test_models_that_order_their_classes_differently_are_compared_by_name() -> None:
    turned = np.array([2, 0, 1])  # auk is 2, crow 0, kiwi 1
    outcomes = replace(B.outcomes, labels=turned[B.outcomes.labels], top=turned[B.outcomes.top])
    other = replace(B, classes=("crow", "kiwi", "auk"), outcomes=outcomes)
    assert compare_evaluations(A, other) == compare_evaluations(A, B)


def test_images_of_a_single_evaluation_are_named_and_left_out() -> None:
    comparison = compare_evaluations(
        replace(A, outcomes=A.outcomes.select(np.array([0, 1, 2, 3]))),
        replace(B, outcomes=B.outcomes.select(np.array([2, 3, 4, 5]))),
    )
    assert comparison.n == 2
    assert comparison.only_in_a == ("a", "b")
    assert comparison.only_in_b == ("e", "f")


def test_one_file_under_two_classes_is_two_images() -> None:
    a = evaluation_of(CLASSES, [(0, 0, 0.9), (1, 0, 0.9)], names=["same", "same"])
    b = evaluation_of(CLASSES, [(1, 1, 0.9), (0, 0, 0.9)], names=["same", "same"])
    comparison = compare_evaluations(a, b)
    assert (comparison.n, comparison.correct_a, comparison.correct_b) == (2, 1, 2)


def test_copies_of_a_file_are_paired_in_order_and_each_once() -> None:
    three = evaluation_of(CLASSES, [(0, 0, 0.9)] * 3, names=["same"] * 3)
    three = replace(three, outcomes=replace(three.outcomes, names=("first", "second", "third")))
    two = replace(three, outcomes=three.outcomes.select(np.array([0, 1])))
    for a, b, left in ((three, two, ("only_in_a", "only_in_b")), (two, three, ("only_in_b", "only_in_a"))):
        comparison = compare_evaluations(a, b)
        assert comparison.n == 2
        assert [getattr(comparison, name) for name in left] == [("third",), ()]


def test_evaluations_that_share_no_image_cannot_be_compared() -> None:
    with pytest.raises(
        DataError, match=r"share no image \(same file, same class\): 6 of made up against 9 of simulated"
    ):
        compare_evaluations(A, simulate(classes=CLASSES, n=9))


def test_an_evaluation_does_not_differ_from_itself() -> None:
    comparison = compare_evaluations(A, A)
    assert (comparison.difference, comparison.p_value, comparison.fixed, comparison.broken) == (0, 1.0, (), ())


def test_json_holds_every_changed_image_and_class() -> None:
    document = json.loads(json.dumps(compare_evaluations(A, B).to_json()))
    assert document["top1_a"] == pytest.approx(3 / 6)
    assert document["difference"] == pytest.approx(1 / 6)
    assert len(document["interval"]) == 2
    assert document["fixed"][0]["name"] == "c"
    assert set(document["broken"][0]) == {*Change.__slots__, "called_a", "called_b"}
    assert document["per_class"]["crow"]["difference"] == pytest.approx(-1 / 3)
    assert "McNemar" in document["methods"]["p_value"]


def test_json_repeats_counts_and_predictions_under_the_keys_of_0_1_0() -> None:
    document = compare_evaluations(A, B).to_json()
    assert (document["right_a"], document["right_b"]) == (document["correct_a"], document["correct_b"]) == (3, 4)
    crow = document["per_class"]["crow"]
    assert (crow["right_a"], crow["right_b"]) == (crow["correct_a"], crow["correct_b"]) == (2, 1)
    (broken,) = document["broken"]
    assert (broken["called_a"], broken["called_b"]) == (broken["predicted_a"], broken["predicted_b"]) == ("crow", "auk")
