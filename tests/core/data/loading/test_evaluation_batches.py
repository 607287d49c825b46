"""Evaluation batches: every sample once, in order, shared without loss."""

from collections.abc import Sequence

import pytest
import torch

from birdnet_cli.core.data import EvaluationBatches, Failure, Sample, Transform, decode_image
from birdnet_cli.core.data.loading import labelled_batches as module
from birdnet_cli.core.recipe import AugmentSettings, TransformSettings
from tests.core.data.loading.batches import label_in_turn, labelled_content_of, lose_image


def evaluation(samples: Sequence[Sample], **changes: object) -> EvaluationBatches:
    settings: dict[str, object] = {"transform": TransformSettings(image_size=16), "batch_size": 4, "workers": 0}
    return EvaluationBatches(label_in_turn(samples), **(settings | changes))  # type: ignore[arg-type]


def test_evaluation_sees_every_image_once_in_order(samples: tuple[Sample, ...]) -> None:
    batches = evaluation(samples)
    transform = Transform(TransformSettings(image_size=16))
    found = list(batches)
    assert len(batches) == len(found) == 3
    assert [batch.indices for batch in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    for batch in found:
        assert batch.labels.tolist() == [index % 3 for index in batch.indices]
        for index, image in zip(batch.indices, batch.images, strict=True):
            assert torch.equal(image, transform(decode_image(samples[index].path)))


def test_evaluation_ignores_what_training_does_to_images(samples: tuple[Sample, ...]) -> None:
    augmenting = AugmentSettings(policy="level2", image_size=16, resize="crop")
    plain = TransformSettings(image_size=16, resize="crop")
    assert labelled_content_of(list(evaluation(samples, transform=augmenting))) == labelled_content_of(
        list(evaluation(samples, transform=plain))
    )


@pytest.mark.parametrize("world_size", [2, 3, 12])
def test_evaluation_is_shared_without_padding(samples: tuple[Sample, ...], world_size: int) -> None:
    found = [
        batch.indices for rank in range(world_size) for batch in evaluation(samples, rank=rank, world_size=world_size)
    ]
    assert sorted(index for indices in found for index in indices) == list(range(11))


@pytest.mark.parametrize("memory", [0, 2**20])
def test_evaluation_can_be_repeated_and_names_what_failed_every_time(samples: tuple[Sample, ...], memory: int) -> None:
    batches = evaluation(lose_image(samples, 5), memory=memory)
    next(iter(batches))
    first = list(batches)
    assert labelled_content_of(list(batches)) == labelled_content_of(first)
    assert first[1].indices == [4, 6, 7]
    assert first[1].failures == [Failure(1, samples[5].name, "no such file")]


def test_evaluation_of_small_images_decodes_them_once(
    samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    load = module.load_batches

    def watched(*arguments: object, **settings: object) -> object:
        reads.append(1)
        return load(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_batches", watched)
    enough = 11 * 3 * 16 * 16
    kept, read = evaluation(samples, memory=enough), evaluation(samples, memory=enough - 1)
    for batches, expected in ((kept, 1), (read, 3)):
        reads.clear()
        for _ in range(3):
            list(batches)
        assert len(reads) == expected
