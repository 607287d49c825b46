"""Fits on training images before the first update; test_finetune_from_head.py compares their results."""

from pathlib import Path

import pytest
import torch

from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.heads import TrainableHead
from birdnet_cli.core.poolings import create_pooling
from birdnet_cli.core.recipe import PoolingSettings
from birdnet_cli.core.training.progress import SilentTrainingProgress
from birdnet_cli.core.training.setup import initial_fits as module
from birdnet_cli.core.training.setup.classifier import Classifier
from birdnet_cli.core.training.setup.initial_fits import fit_confidence, fit_reduction
from tests.core.training.quick import cpu_context, quick_settings, small_classifier


class Notes(SilentTrainingProgress):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def samples(textures: Path) -> tuple[Sample, ...]:
    return open_dataset(textures).subset("train").samples


def test_a_reduction_without_values_is_fitted_once(samples: tuple[Sample, ...]) -> None:
    backbone = small_classifier().backbone
    settings = PoolingSettings(name="bilinear", reduce=4)
    pooling = create_pooling(settings, channels=8, nonnegative=True)
    classifier = Classifier(backbone, pooling, TrainableHead(pooling.dim, 3))
    reduction = pooling.reduction
    assert reduction is not None
    fit_reduction(classifier, samples, cpu_context(quick_settings()))
    # Principal directions are orthonormal.
    torch.testing.assert_close(reduction.weight @ reduction.weight.T, torch.eye(4))
    fitted = reduction.weight.detach().clone()
    fit_reduction(classifier, samples[:3], cpu_context(quick_settings()))
    assert torch.equal(reduction.weight, fitted)


def test_confidence_is_lowered_for_smoothed_labels_alone(samples: tuple[Sample, ...]) -> None:
    classifier = small_classifier()
    with torch.no_grad():
        classifier.head.weight.mul_(100)
    before = classifier.head.weight.detach().clone()
    fit_confidence(classifier, samples, cpu_context(quick_settings()))
    assert torch.equal(classifier.head.weight, before)
    fit_confidence(classifier, samples, cpu_context(quick_settings(label_smoothing=0.1)))
    factor = float(classifier.head.temperature)
    assert factor > 2
    torch.testing.assert_close(classifier.head.weight.detach() * factor, before)


def test_a_head_that_is_not_too_certain_stays(samples: tuple[Sample, ...]) -> None:
    classifier = small_classifier()
    with torch.no_grad():
        classifier.head.weight.mul_(1e-6)
    progress = Notes()
    fit_confidence(classifier, samples, cpu_context(quick_settings(label_smoothing=0.1), progress))
    assert float(classifier.head.temperature) == 1
    assert progress.texts == []


def test_images_of_a_fit_are_evenly_spaced(samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def load(_samples: object, *, batches: list[list[int]], **_: object) -> list[object]:
        seen.extend(row for batch in batches for row in batch)
        return []

    monkeypatch.setattr(module, "load_batches", load)
    monkeypatch.setattr(module, "CONFIDENCE_IMAGES", 6)
    fit_confidence(small_classifier(), samples, cpu_context(quick_settings(label_smoothing=0.1)))
    assert len(samples) == 24
    assert seen == [0, 4, 8, 12, 16, 20]
