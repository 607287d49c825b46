"""Evaluated images whose file is also in another split, and the metrics without them."""

from dataclasses import replace

import pytest

from birdnet_cli.core.evaluation.split_overlap import Copy, Duplicate, find_split_overlap
from tests.core.evaluation.simulated import digests_of, evaluation_of

PREDICTIONS = [(0, 0, 0.9), (0, 0, 0.8), (1, 0, 0.7), (1, 1, 0.6)]
EVALUATION = evaluation_of(("x", "y"), PREDICTIONS, names=["a", "b", "c", "d"])


def elsewhere(*names: str, split: str = "train") -> list[tuple[bytes, Copy]]:
    return [(digests_of([name])[0].tobytes(), Copy(split, f"{split}/{name}")) for name in names]


def test_an_image_with_the_bytes_of_another_split_is_named_with_its_copies() -> None:
    others = elsewhere("z", "c") + elsewhere("c", split="val") + elsewhere("a")
    assert find_split_overlap(EVALUATION.outcomes, others) == (
        Duplicate("a", (Copy("train", "train/a"),)),
        Duplicate("c", (Copy("train", "train/c"), Copy("val", "val/c"))),
    )


def test_other_images_are_no_duplicates() -> None:
    assert find_split_overlap(EVALUATION.outcomes, elsewhere("x", "y", "z")) == ()
    assert find_split_overlap(EVALUATION.outcomes, []) == ()


def test_metrics_without_duplicates_are_those_of_the_rest() -> None:
    evaluation = replace(EVALUATION, duplicates=find_split_overlap(EVALUATION.outcomes, elsewhere("a", "b")))
    rest = evaluation.without_duplicates
    assert (evaluation.n, evaluation.top1) == (4, pytest.approx(3 / 4))
    assert (rest.n, rest.top1) == (2, pytest.approx(1 / 2))
    assert rest.outcomes.names == ("c", "d")
    assert rest.duplicates == ()


def test_an_evaluation_without_duplicates_is_its_own_rest() -> None:
    assert EVALUATION.without_duplicates is EVALUATION


def test_a_split_that_is_all_duplicates_leaves_no_image() -> None:
    found = find_split_overlap(EVALUATION.outcomes, elsewhere("a", "b", "c", "d"))
    rest = replace(EVALUATION, duplicates=found).without_duplicates
    assert (rest.n, rest.top1) == (0, 0.0)
    assert rest.estimates["top1"].interval == (0.0, 1.0)
