"""The outcomes kept of every image, against the probabilities they came from."""

import tracemalloc

import numpy as np
import pytest
import torch

from birdnet_cli.core.evaluation.outcomes import LEAST, OutcomeCollector, Outcomes
from tests.core.evaluation.simulated import digests_of, evaluation_of

PROBABILITIES = torch.tensor(
    [[0.1, 0.2, 0.3, 0.05, 0.25, 0.06, 0.04], [0.9, 0.04, 0.03, 0.01, 0.01, 0.005, 0.005]], dtype=torch.float64
)


def collect_both() -> Outcomes:
    collector = OutcomeCollector(7)
    for row, (label, name) in enumerate([(5, "a.jpg"), (1, "b.jpg")]):
        collector.add(
            PROBABILITIES[row : row + 1], torch.tensor([label]), names=[name], digests=digests_of([name])
        )  # fmt: skip
    return collector.outcomes()


def test_the_five_most_probable_classes_are_kept_in_order() -> None:
    outcomes = collect_both()
    assert outcomes.top[0].tolist() == [2, 4, 1, 0, 5]
    assert outcomes.probs[0] == pytest.approx([0.3, 0.25, 0.2, 0.1, 0.06])
    assert outcomes.confidence == pytest.approx([0.3, 0.9])


def test_names_digests_and_labels_stay_with_their_row() -> None:
    outcomes = collect_both()
    assert outcomes.names == ("a.jpg", "b.jpg")
    assert outcomes.labels.tolist() == [5, 1]
    assert (outcomes.digests == digests_of(["a.jpg", "b.jpg"])).all()


def test_correct_is_the_first_place_and_top5_any_of_five() -> None:
    outcomes = collect_both()
    assert outcomes.correct.tolist() == [False, False]
    assert outcomes.in_top5.tolist() == [True, True]
    sixth = evaluation_of(tuple("abcdefg"), [(6, 0, 0.9)])
    assert sixth.outcomes.in_top5.tolist() == [False]


def test_the_loss_is_of_the_true_class_wherever_it_ranks() -> None:
    assert collect_both().losses == pytest.approx([-np.log(0.06), -np.log(0.04)], rel=1e-6)


def test_the_loss_of_a_true_class_of_probability_0_is_finite() -> None:
    collector = OutcomeCollector(2)
    collector.add(
        torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([1]), names=["a"], digests=digests_of(["a"])
    )
    assert collector.outcomes().losses[0] == pytest.approx(-np.log(LEAST), rel=1e-6)


def test_fewer_classes_than_five_are_all_kept() -> None:
    assert evaluation_of(("x", "y", "z"), [(0, 1, 0.5)]).outcomes.top.shape == (1, 3)


def test_without_a_batch_the_columns_are_empty() -> None:
    outcomes = OutcomeCollector(9).outcomes()
    assert len(outcomes) == 0
    assert outcomes.top.shape == outcomes.probs.shape == (0, 5)
    assert outcomes.digests.shape == (0, 32)


def test_a_selection_keeps_rows_whole() -> None:
    outcomes = collect_both()
    second = outcomes.select(np.array([False, True]))
    assert second.names == ("b.jpg",)
    assert second == outcomes.select(np.array([1]))
    assert second != outcomes
    assert second.top.tolist() == outcomes.top[1:].tolist()


def test_outcomes_are_equal_only_if_every_column_is() -> None:
    first, other = collect_both(), collect_both()
    assert first == other
    other.probs[0, 0] += 0.125
    assert first != other


def test_a_hundred_thousand_images_take_a_few_tens_of_megabytes() -> None:
    K, batch, batches = 200, 500, 200
    probabilities = torch.softmax(torch.randn(batch, K, generator=torch.Generator().manual_seed(0)), dim=1)
    labels = torch.arange(batch) % K
    digests = np.zeros((batch, 32), np.uint8)
    tracemalloc.start()
    collector = OutcomeCollector(K)
    for index in range(batches):
        names = [f"test/a_class_of_some_length/{index * batch + row:08d}.jpg" for row in range(batch)]
        collector.add(probabilities, labels, names=names, digests=digests)
    outcomes = collector.outcomes()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(outcomes) == 100_000
    # All logits in float64 would be 160 MB.
    assert peak < 40e6
