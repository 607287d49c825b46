"""Training modes of a classifier, and BatchNorm's statistics."""

import torch
from torch import nn

from birdnet_cli.core.training.setup.classifier import Classifier, NormStatistics
from tests.core.training.quick import small_classifier

IMAGES = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def norm(classifier: Classifier) -> nn.BatchNorm2d:
    layer = classifier.backbone.network[1]  # type: ignore[index]
    assert isinstance(layer, nn.BatchNorm2d)
    return layer


def test_all_parameters_learn_in_training_mode() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=False, freeze_norm=False)
    assert classifier.backbone.training
    assert norm(classifier).training
    assert all(parameter.requires_grad for parameter in classifier.parameters())


def test_a_frozen_backbone_computes_as_in_evaluation_and_only_the_head_learns() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=True, freeze_norm=False)
    assert not classifier.backbone.training
    learning = {name for name, parameter in classifier.named_parameters() if parameter.requires_grad}
    assert learning == {"head.weight", "head.bias"}


def test_a_backbone_that_was_frozen_learns_again() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=True, freeze_norm=False)
    classifier.prepare(frozen=False, freeze_norm=True)
    assert classifier.backbone.training
    assert not norm(classifier).training
    assert norm(classifier).weight.requires_grad


def test_the_backbone_runs_as_told_in_training_alone() -> None:
    classifier = small_classifier()
    runs: list[int] = []

    def run(images: torch.Tensor) -> torch.Tensor:
        runs.append(len(images))
        return classifier.backbone.forward(images)

    classifier.run_backbone = run
    classifier.prepare(frozen=False, freeze_norm=False)
    classifier(IMAGES)
    classifier.eval()
    classifier(IMAGES)
    assert runs == [4]


def test_statistics_are_restored_to_the_last_copy() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=False, freeze_norm=False)
    statistics = NormStatistics(classifier)
    classifier(IMAGES)
    statistics.keep()
    kept = [buffer.clone() for buffer in norm(classifier).buffers()]
    classifier(IMAGES)
    assert int(norm(classifier).num_batches_tracked) == 2
    statistics.restore()
    assert int(norm(classifier).num_batches_tracked) == 1
    assert all(torch.equal(buffer, copy) for buffer, copy in zip(norm(classifier).buffers(), kept, strict=True))


def test_statistics_are_copied_at_first() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=False, freeze_norm=False)
    statistics = NormStatistics(classifier)
    classifier(IMAGES)
    statistics.restore()
    assert torch.equal(norm(classifier).running_mean, torch.zeros(8))  # type: ignore[arg-type]
