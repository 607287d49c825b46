"""The metrics of a whole evaluation."""

from dataclasses import replace

import pytest

from birdnet_cli.core.evaluation import Evaluation, OutcomeCollector
from birdnet_cli.core.evaluation.intervals import wilson_interval
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
BIRDS = evaluation_of(
    CLASSES, [(0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.7), (0, 2, 0.6), (1, 0, 0.9), (1, 0, 0.5), (1, 1, 0.4)]
)  # fmt: skip


def test_top1_is_the_share_of_correct_predictions() -> None:
    assert BIRDS.n == 7
    assert BIRDS.top1 == pytest.approx(3 / 7)
    assert BIRDS.estimates["top1"].interval == wilson_interval(3, 7)
    assert (BIRDS.estimates["top1"].part, BIRDS.estimates["top1"].whole) == (3, 7)


def test_top5_counts_the_five_most_probable() -> None:
    seven = evaluation_of(tuple("abcdefg"), [(label, 0, 0.5) for label in range(7)])
    assert seven.top1 == pytest.approx(1 / 7)
    assert seven.top5 == pytest.approx(5 / 7)
    assert seven.estimates["top5"].interval == wilson_interval(5, 7)


def test_top5_of_fewer_than_five_classes_holds_them_all() -> None:
    assert BIRDS.top5 == 1.0


def test_metrics_without_an_image_are_0() -> None:
    nothing = Evaluation(CLASSES, OutcomeCollector(3).outcomes())
    assert (nothing.n, nothing.top1, nothing.top5, nothing.confusions) == (0, 0.0, 0.0, ())
    assert nothing.coverage == ()
    assert {estimate.interval for estimate in nothing.estimates.values()} == {(0.0, 1.0), (0.0, float("inf"))}


def test_failed_images_are_listed_and_not_counted() -> None:
    evaluation = replace(BIRDS, failed=("auk/3.png: zero bytes",))
    assert evaluation.n == 7
    assert evaluation.top1 == BIRDS.top1


def test_the_size_of_batches_does_not_matter() -> None:
    small, large = (simulate(classes=CLASSES, n=100, batch=batch) for batch in (7, 100))
    assert small == large


def test_evaluations_differ_if_one_probability_does() -> None:
    assert evaluation_of(CLASSES, [(0, 0, 0.9)]) != evaluation_of(CLASSES, [(0, 0, 0.8)])
