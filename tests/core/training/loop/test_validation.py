import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import EvaluationBatches, Failure, open_dataset
from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.progress import Advance
from birdnet_cli.core.recipe import FinetuneSettings, TransformSettings
from birdnet_cli.core.training.counters import Validation
from birdnet_cli.core.training.loop.validation import validate
from birdnet_cli.core.training.progress import SilentTrainingProgress
from birdnet_cli.core.training.setup.classifier import Classifier
from tests.core.training.quick import cpu_context, small_classifier


class Recorder(SilentTrainingProgress):
    """Records the images done after each batch."""

    def __init__(self) -> None:
        self.done: list[int] = []

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Advance]:
        assert (title, total, unit) == ("validate", 12, "images")
        yield self.done.append


def batches(textures: Path, *, missing: int = 0) -> EvaluationBatches:
    """Return the 12 test images, of which the first `missing` cannot be read."""
    samples = open_dataset(textures).subset("test").samples
    absent = tuple(replace(sample, path=Path("absent.png")) for sample in samples[:missing])
    samples = absent + samples[missing:]
    return EvaluationBatches(samples, transform=TransformSettings(image_size=16), batch_size=5, workers=0)


def run(
    classifier: Classifier, given: EvaluationBatches, *, interrupted: bool = False
) -> tuple[Validation | None, list[int], list[Failure]]:
    """Return the validation, the images done after each batch, and the failures."""
    progress, failures = Recorder(), list[Failure]()
    context = cpu_context(FinetuneSettings(), progress)
    if interrupted:
        context.interrupts.received = signal.SIGTERM
    validation = validate(classifier, given, context, num_classes=3, record_failures=failures.extend)
    return validation, progress.done, failures


def scores_and_labels(classifier: Classifier, given: EvaluationBatches) -> tuple[Tensor, Tensor]:
    classifier.eval()
    with torch.no_grad():
        parts = [(classifier(batch.images), batch.labels) for batch in given]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def test_loss_and_top1_are_those_of_all_images_in_a_single_batch(textures: Path) -> None:
    classifier, given = small_classifier(), batches(textures)
    scores, labels = scores_and_labels(classifier, given)
    validation, done, _ = run(classifier, given)
    assert validation is not None
    assert validation.images == 12
    assert validation.loss == pytest.approx(float(cross_entropy(scores, labels)))
    assert validation.top1 == float((scores.argmax(1) == labels).double().mean())
    assert validation.top5 == 1.0
    assert done == [5, 5, 2]


def test_the_temperature_lowers_the_loss(textures: Path) -> None:
    classifier, given = small_classifier(), batches(textures)
    with torch.no_grad():
        classifier.head.weight.mul_(50)
    scores, labels = scores_and_labels(classifier, given)
    validation, _, _ = run(classifier, given)
    assert validation is not None
    assert float(cross_entropy(scores / validation.temperature, labels)) < validation.loss


def test_parameters_and_statistics_stay(textures: Path) -> None:
    classifier = small_classifier()
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    run(classifier, batches(textures))
    assert all(torch.equal(value, before[key]) for key, value in classifier.state_dict().items())


def test_a_signal_ends_the_validation_after_the_current_batch(textures: Path) -> None:
    validation, done, _ = run(small_classifier(), batches(textures), interrupted=True)
    assert (validation, done) == (None, [5])


def test_scores_that_are_not_finite_are_an_error(textures: Path) -> None:
    classifier = small_classifier()
    with torch.no_grad():
        classifier.head.bias.fill_(torch.nan)
    with pytest.raises(NumericsError, match="scores of validation images are not finite"):
        run(classifier, batches(textures))


def test_images_that_cannot_be_read_are_recorded_and_left_out(textures: Path) -> None:
    given = batches(textures, missing=1)
    validation, done, failures = run(small_classifier(), given)
    assert validation is not None
    assert (validation.images, done) == (11, [5, 5, 2])
    assert [(failure.name, failure.reason) for failure in failures] == [(given.samples[0].name, "no such file")]


def test_a_validation_without_a_readable_image_is_an_error(textures: Path) -> None:
    with pytest.raises(DataError, match="none of the validation images could be read"):
        run(small_classifier(), batches(textures, missing=12))
