"""Training batches: exact from any step, the same from memory and from files, shared without loss."""

from collections.abc import Sequence

import pytest
import torch

from birdnet_cli.core.data import (
    Augmentation,
    Failure,
    Sample,
    TrainingBatches,
    Transform,
    decode_image,
    epoch_order,
)
from birdnet_cli.core.data.loading import training_batches as module
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import AugmentSettings
from tests.core.data.loading.batches import label_in_turn, labelled_content_of, lose_image

POLICIES = ("none", "basic", "cifar", "level1", "level2")


def training(samples: Sequence[Sample], **changes: object) -> TrainingBatches:
    settings: dict[str, object] = {
        "transform": AugmentSettings(policy="basic", image_size=16), "batch_size": 4, "seed": 3, "workers": 0,
    }  # fmt: skip
    return TrainingBatches(label_in_turn(samples), **(settings | changes))  # type: ignore[arg-type]


def test_epoch_is_its_order_with_labels_and_augmented_images(samples: tuple[Sample, ...]) -> None:
    batches = training(samples)
    assert batches.steps_per_epoch == 2
    augmentation = Augmentation(batches.transform, seed=3, epoch=6)
    order = epoch_order(11, seed=3, epoch=6).tolist()
    found = list(batches.epoch(6))
    assert [batch.indices for batch in found] == [order[:4], order[4:8]]
    for batch in found:
        assert batch.labels.tolist() == [index % 3 for index in batch.indices]
        assert batch.failures == []
        for index, image in zip(batch.indices, batch.images, strict=True):
            assert torch.equal(image, augmentation.at(index)(decode_image(samples[index].path)))


@pytest.mark.parametrize("policy", POLICIES)
def test_files_memory_and_processes_give_the_same_batches(samples: tuple[Sample, ...], policy: str) -> None:
    settings = AugmentSettings(policy=policy, image_size=16)  # type: ignore[arg-type]
    bad = lose_image(samples, 4)
    expected = labelled_content_of(list(training(bad, transform=settings).epoch(1)))
    assert labelled_content_of(list(training(bad, transform=settings, memory=0).epoch(1))) == expected
    assert labelled_content_of(list(training(bad, transform=settings, memory=0, workers=2).epoch(1))) == expected
    assert labelled_content_of(list(training(bad, transform=settings, workers=2).epoch(1))) == expected


@pytest.mark.parametrize("memory", [0, 2**20])
@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_epoch_resumes_at_any_step(samples: tuple[Sample, ...], memory: int, start: int) -> None:
    whole = labelled_content_of(list(training(samples, batch_size=3, memory=memory).epoch(2)))
    rest = labelled_content_of(list(training(samples, batch_size=3, memory=memory).epoch(2, start_step=start)))
    assert len(whole) == 3
    assert rest == whole[start:]


def test_epochs_and_seeds_differ_and_an_epoch_repeats(samples: tuple[Sample, ...]) -> None:
    batches = training(samples)
    first = labelled_content_of(list(batches.epoch(0)))
    assert labelled_content_of(list(batches.epoch(1))) != first
    assert labelled_content_of(list(training(samples, seed=4).epoch(0))) != first
    assert labelled_content_of(list(batches.epoch(0))) == first


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("memory", [0, 2**20])
def test_processes_together_see_what_one_sees(samples: tuple[Sample, ...], world_size: int, memory: int) -> None:
    alone = list(training(samples, memory=memory).epoch(1))
    parts = [
        list(training(samples, memory=memory, rank=rank, world_size=world_size).epoch(1)) for rank in range(world_size)
    ]
    for step, batch in enumerate(alone):
        for rank in range(world_size):
            part = parts[rank][step]
            assert part.indices == batch.indices[rank::world_size]
            assert torch.equal(part.images, batch.images[rank::world_size])
            assert torch.equal(part.labels, batch.labels[rank::world_size])


@pytest.mark.parametrize("memory", [0, 2**20])
def test_image_that_cannot_be_read_is_named_in_its_place(samples: tuple[Sample, ...], memory: int) -> None:
    order = epoch_order(11, seed=3, epoch=0).tolist()
    (first, _) = training(lose_image(samples, order[2]), memory=memory).epoch(0)
    assert first.indices == [order[0], order[1], order[3]]
    assert first.labels.tolist() == [index % 3 for index in first.indices]
    assert len(first.images) == 3
    augmentation = Augmentation(AugmentSettings(policy="basic", image_size=16), seed=3, epoch=0)
    for index, image in zip(first.indices, first.images, strict=True):
        assert torch.equal(image, augmentation.at(index)(decode_image(samples[index].path)))
    assert first.failures == [Failure(2, samples[order[2]].name, "no such file")]


def test_small_images_are_decoded_once(samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    class Watched(DecodedImages):
        def __init__(self, given: Sequence[Sample], *, transform: Transform, workers: int) -> None:
            decoded.append(transform.settings.image_size)
            super().__init__(given, transform=transform, workers=workers)

    monkeypatch.setattr(module, "DecodedImages", Watched)
    canvas = 18  # 1.15 x 16
    batches = training(samples, memory=11 * 3 * canvas * canvas)
    assert decoded == []
    for epoch in range(3):
        list(batches.epoch(epoch))
    assert decoded == [canvas]
    list(training(samples, memory=11 * 3 * canvas * canvas - 1).epoch(0))
    list(training(samples, transform=AugmentSettings(policy="level1", image_size=16)).epoch(0))
    assert decoded == [canvas]


def test_closed_epoch_can_be_begun_again(samples: tuple[Sample, ...]) -> None:
    batches = training(samples, memory=0, workers=1)
    iterator = batches.epoch(0)
    first = next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert labelled_content_of([next(batches.epoch(0))]) == labelled_content_of([first])


def test_fewer_images_than_a_batch_are_one_batch(samples: tuple[Sample, ...]) -> None:
    batches = training(samples, batch_size=32)
    assert batches.steps_per_epoch == 1
    (batch,) = batches.epoch(0)
    assert sorted(batch.indices) == list(range(11))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 5, "world_size": 2}, "a batch that 2 processes can share evenly, got 5: give a multiple"),
        ({"batch_size": 0}, "a batch that 1 processes can share evenly, got 0"),
        ({"rank": 2, "world_size": 2}, "expected a rank from 0 to world_size - 1, got rank 2 of 2 processes"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    samples: tuple[Sample, ...], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        training(samples, **changes)
