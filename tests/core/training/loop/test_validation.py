from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import EvaluationBatches, Failure, open_dataset
from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.recipe import TransformSettings
from birdnet_cli.core.training.counters import Figures
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.loop.validation import validate
from birdnet_cli.core.training.setup.classifier import Classifier
from tests.core.training.quick import small_classifier

ALONE = Processes(torch.device("cpu"))
FAILED: list[Failure] = []


def batches(textures: Path, *, missing: bool = False) -> EvaluationBatches:
    samples = open_dataset(textures).subset("test").samples
    if missing:
        samples = tuple(replace(sample, path=Path("absent.png")) for sample in samples)
    return EvaluationBatches(samples, transform=TransformSettings(image_size=16), batch_size=5, workers=0)


def run(classifier: Classifier, given: EvaluationBatches, *, stop_after: int = 99) -> tuple[Figures | None, list[int]]:
    done: list[int] = []
    figures = validate(
        classifier, given, processes=ALONE, num_classes=3, stopping=lambda: len(done) >= stop_after,
        advance=done.append, take_failures=FAILED.extend,
    )  # fmt: skip
    return figures, done


def scores_and_labels(classifier: Classifier, given: EvaluationBatches) -> tuple[Tensor, Tensor]:
    classifier.eval()
    with torch.no_grad():
        parts = [(classifier(batch.images), batch.labels) for batch in given]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def test_figures_are_those_of_all_images_at_once(textures: Path) -> None:
    classifier, given = small_classifier(), batches(textures)
    scores, labels = scores_and_labels(classifier, given)
    figures, done = run(classifier, given)
    assert figures is not None
    assert figures.images == 12
    assert figures.loss == pytest.approx(float(cross_entropy(scores, labels)))
    assert figures.top1 == float((scores.argmax(1) == labels).double().mean())
    assert figures.top5 == 1.0
    assert done == [5, 5, 2]


def test_the_temperature_lowers_the_loss(textures: Path) -> None:
    classifier, given = small_classifier(), batches(textures)
    with torch.no_grad():
        classifier.head.weight.mul_(50)
    scores, labels = scores_and_labels(classifier, given)
    figures, _ = run(classifier, given)
    assert figures is not None
    assert float(cross_entropy(scores / figures.temperature, labels)) < figures.loss


def test_batch_statistics_are_not_touched(textures: Path) -> None:
    classifier = small_classifier()
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    run(classifier, batches(textures))
    assert all(torch.equal(value, before[key]) for key, value in classifier.state_dict().items())


def test_a_wish_to_stop_gives_no_figures(textures: Path) -> None:
    figures, done = run(small_classifier(), batches(textures), stop_after=1)
    assert (figures, done) == (None, [5, 5])


def test_scores_that_are_not_finite_are_an_error(textures: Path) -> None:
    classifier = small_classifier()
    with torch.no_grad():
        classifier.head.bias.fill_(torch.nan)
    with pytest.raises(NumericsError, match="scores of validation images are not finite"):
        run(classifier, batches(textures))


def test_images_that_cannot_be_read_are_told(textures: Path) -> None:
    first, *rest = open_dataset(textures).subset("test").samples
    samples = (replace(first, path=Path("absent.png")), *rest)
    FAILED.clear()
    given = EvaluationBatches(samples, transform=TransformSettings(image_size=16), batch_size=5, workers=0)
    figures, done = run(small_classifier(), given)
    assert figures is not None
    assert (figures.images, done) == (11, [5, 5, 2])
    assert [(failure.name, failure.reason) for failure in FAILED] == [(first.name, "no such file")]


def test_no_image_at_all_is_an_error(textures: Path) -> None:
    with pytest.raises(DataError, match="none of the validation images could be read"):
        run(small_classifier(), batches(textures, missing=True))
