"""Each kind of finding, from planted probabilities, digests and similarities."""

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.engine.audit.findings import (
    find_duplicates,
    find_label_errors,
    find_near_duplicates,
    find_outliers,
)
from birdnet_cli.core.engine.audit.likeness import Likeness
from birdnet_cli.core.heads import OutOfFold

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def probabilities(*rows: tuple[float, ...], judged: tuple[bool, ...] | None = None) -> OutOfFold:
    return OutOfFold(torch.tensor(rows), torch.tensor(judged or (True,) * len(rows)), 0.5)


def alike(earlier: Ints, similarity: Floats, closeness: Floats) -> Likeness:
    nobody = np.full(len(earlier), -1), np.zeros(len(earlier), np.float32)
    return Likeness(earlier, similarity.astype(np.float32), *nobody, closeness.astype(np.float32))


def test_a_label_is_doubted_if_another_class_reaches_the_mean_probability_of_its_own_images() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = probabilities(
        (0.9, 0.1), (0.7, 0.3), (0.2, 0.8),  # the mean of class 0 is 0.6
        (0.1, 0.9), (0.35, 0.65), (0.45, 0.55),  # the mean of class 1 is 0.7
    )  # fmt: skip
    (finding,) = find_label_errors(found, labels)
    assert (finding.kind, finding.row, finding.suggestion) == ("label", 2, 1)
    assert abs(finding.score - 0.6) < 1e-6


def test_a_prediction_below_the_mean_probability_of_its_class_is_no_finding() -> None:
    labels = np.array([0, 0, 1, 1])
    assert find_label_errors(probabilities((0.9, 0.1), (0.45, 0.55), (0.05, 0.95), (0.1, 0.9)), labels) == []


def test_rows_that_no_head_could_judge_are_left_out() -> None:
    labels = np.array([0, 0, 1])
    found = probabilities((0.8, 0.2), (0.1, 0.9), (0.3, 0.7), judged=(True, False, True))
    assert find_label_errors(found, labels) == []


def test_the_largest_margin_comes_first() -> None:
    labels = np.array([0] * 5 + [1] * 5)
    rows = [(0.9, 0.1)] * 3 + [(0.2, 0.8), (0.05, 0.95)] + [(0.3, 0.7)] * 5
    assert [finding.row for finding in find_label_errors(probabilities(*rows), labels)] == [4, 3]


def test_duplicates_are_the_later_files_of_the_same_bytes() -> None:
    digests = np.zeros((5, 32), np.uint8)
    digests[:, 0] = (1, 2, 1, 3, 1)
    assert [(finding.row, finding.other) for finding in find_duplicates(digests)] == [(2, 0), (4, 0)]


def test_near_duplicates_reach_the_threshold_and_are_not_named_twice() -> None:
    likeness = alike(np.array([-1, 0, 1, 0]), np.array([0, 0.8, 0.79, 0.95]), np.full(4, np.nan))
    found = find_near_duplicates(likeness, least=0.8, excluded=[3])
    assert [(finding.row, finding.other) for finding in found] == [(1, 0)]
    assert [finding.row for finding in find_near_duplicates(likeness, least=0.5, excluded=[])] == [3, 1, 2]


def test_a_near_duplicate_in_another_split_is_named_before_a_closer_one_in_its_own() -> None:
    likeness = Likeness(
        np.array([-1, 0, 1]), np.array([0, 0.2, 0.99], np.float32),
        np.array([-1, -1, 0]), np.array([0, 0, 0.85], np.float32), np.full(3, np.nan, np.float32),
    )  # fmt: skip
    (finding,) = find_near_duplicates(likeness, least=0.8, excluded=[])
    assert (round(finding.score, 2), finding.row, finding.other) == (0.85, 2, 0)


def test_an_outlier_is_far_from_its_class_in_deviations_over_all_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    closeness = np.where(labels == 0, 0.8, 0.3) + rng.normal(0, 0.02, 100)
    closeness[7], closeness[60] = 0.5, 0.1
    closeness[99] = np.nan
    likeness = alike(np.full(100, -1), np.zeros(100), closeness)
    found = find_outliers(likeness, labels)
    assert [finding.row for finding in found] == [7, 60]
    # 0.3 below the median, at a standard deviation of 0.02.
    assert 11 < found[0].score < 19


def test_images_that_are_all_alike_have_no_outlier() -> None:
    same = alike(np.full(4, -1), np.zeros(4), np.full(4, 0.5))
    assert find_outliers(same, np.zeros(4, np.int64)) == []
    alone = alike(np.full(4, -1), np.zeros(4), np.full(4, np.nan))
    assert find_outliers(alone, np.arange(4)) == []
