"""Labels that stay with their images, and samples that have none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.data import EvaluationBatches, Failure, Sample, TrainingBatches, Transform
from birdnet_cli.core.data.loading.labelled_batches import label_tensor, load_labelled_batches
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import AugmentSettings, TransformSettings


def test_labels_stay_with_their_images_when_an_image_fails(samples: tuple[Sample, ...]) -> None:
    listed = [replace(sample, label=10 + index) for index, sample in enumerate(samples)]
    listed[4] = replace(listed[4], path=Path("absent.jpg"))
    transform = Transform(TransformSettings(image_size=16))
    labels = torch.tensor([sample.label for sample in listed])
    first, second = load_labelled_batches(listed, labels, transform, [[7, 4, 2], [0]], workers=0)
    assert (first.indices, first.labels.tolist(), len(first.images)) == ([7, 2], [17, 12], 2)
    assert first.failures == [Failure(1, listed[4].name, "no such file")]
    assert (second.indices, second.labels.tolist()) == ([0], [10])


def training(samples: Sequence[Sample]) -> object:
    return TrainingBatches(samples, transform=AugmentSettings(image_size=16), batch_size=4, seed=0, workers=0)


def evaluation(samples: Sequence[Sample]) -> object:
    return EvaluationBatches(samples, transform=TransformSettings(image_size=16), batch_size=4, workers=0)


@pytest.mark.parametrize("batches", [label_tensor, training, evaluation])
def test_samples_must_be_there_and_labelled(
    samples: tuple[Sample, ...], batches: Callable[[Sequence[Sample]], object]
) -> None:
    with pytest.raises(UsageError, match="expected at least one sample, got none"):
        batches([])
    with pytest.raises(UsageError, match="expected labelled samples, got a sample without a label"):
        batches([*samples, replace(samples[0], label=-1)])
