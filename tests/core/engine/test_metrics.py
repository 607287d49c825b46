"""Figures of an evaluation, against a confusion matrix counted by hand."""

import json

import pytest
import torch

from birdnet_cli.core.engine.metrics import ClassFigures, Confusion, Tally

CLASSES = ("auk", "crow", "kiwi")
TRUE = torch.tensor([0, 0, 0, 0, 1, 1, 1])
CALLED = torch.tensor([0, 0, 1, 2, 0, 0, 1])
# true \ called   auk crow kiwi
# auk              2   1    1
# crow             2   1    0
# kiwi             0   0    0


def tally_of_calls() -> Tally:
    tally = Tally(CLASSES)
    logits = torch.nn.functional.one_hot(CALLED, 3).float()
    tally.add(logits[:5], TRUE[:5])
    tally.add(logits[5:], TRUE[5:])
    return tally


def test_top1_is_the_share_of_right_calls_over_all_batches() -> None:
    figures = tally_of_calls().evaluation()
    assert figures.n == 7
    assert figures.top1 == pytest.approx(3 / 7)


def test_recall_is_of_the_images_and_precision_of_the_calls() -> None:
    auk, crow, kiwi = tally_of_calls().evaluation().per_class
    assert auk == ClassFigures("auk", 4, recall=2 / 4, precision=2 / 4)
    assert crow == ClassFigures("crow", 3, recall=1 / 3, precision=1 / 2)
    assert kiwi == ClassFigures("kiwi", 0, recall=None, precision=0.0)


def test_precision_of_a_class_that_is_never_called_is_no_number() -> None:
    tally = Tally(CLASSES)
    tally.add(torch.tensor([[1.0, 0, 0]]), torch.tensor([2]))
    kiwi = tally.evaluation().per_class[2]
    assert (kiwi.n, kiwi.recall, kiwi.precision) == (1, 0.0, None)


def test_confusions_come_by_falling_count_then_by_name_and_without_the_diagonal() -> None:
    assert tally_of_calls().evaluation().confusions == (
        Confusion("crow", "auk", 2),
        Confusion("auk", "crow", 1),
        Confusion("auk", "kiwi", 1),
    )


def test_top5_counts_the_five_highest_logits() -> None:
    tally = Tally(tuple("abcdefg"))
    falling = torch.arange(7.0).flip(0).expand(7, 7)  # a is highest, g lowest
    tally.add(falling, torch.arange(7))
    figures = tally.evaluation()
    assert figures.top1 == pytest.approx(1 / 7)
    assert figures.top5 == pytest.approx(5 / 7)


def test_top5_of_fewer_than_five_classes_holds_them_all() -> None:
    figures = tally_of_calls().evaluation()
    assert figures.top5 == 1.0


def test_nothing_counted_is_zero_and_not_a_division_by_zero() -> None:
    figures = Tally(CLASSES).evaluation()
    assert (figures.n, figures.top1, figures.top5, figures.confusions) == (0, 0.0, 0.0, ())


def test_failed_images_are_listed_and_not_counted() -> None:
    tally = tally_of_calls()
    tally.failed.append("auk/3.png: zero bytes")
    figures = tally.evaluation()
    assert figures.failed == ("auk/3.png: zero bytes",)
    assert figures.n == 7


def test_json_holds_fractions_and_the_classes_by_name() -> None:
    document = json.loads(json.dumps(tally_of_calls().evaluation().to_json()))
    assert set(document) == {"n", "top1", "top5", "per_class", "confusions", "failed"}
    assert document["n"] == 7
    assert document["top1"] == pytest.approx(3 / 7)
    assert document["top5"] == 1.0
    assert document["per_class"]["kiwi"] == {"n": 0, "recall": None, "precision": 0.0}
    assert document["confusions"][0] == {"true": "crow", "predicted": "auk", "count": 2}
