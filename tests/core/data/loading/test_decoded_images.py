"""Images kept in memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.data import Failure, Sample, Transform, decode_image
from birdnet_cli.core.data.loading import decoded_images as module
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.recipe import TransformSettings

TRANSFORM = Transform(TransformSettings(image_size=16))


def decode(samples: Sequence[Sample], *, workers: int = 0) -> DecodedImages:
    return DecodedImages(samples, transform=TRANSFORM, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_is_in_its_row(samples: tuple[Sample, ...], workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 4 * 3 * 16 * 16)
    decoded = decode(samples, workers=workers)
    assert decoded.failures == {}
    assert torch.equal(decoded.images, torch.stack([TRANSFORM(decode_image(sample.path)) for sample in samples]))


def test_image_that_cannot_be_read_is_a_row_of_zeros_and_a_reason(samples: tuple[Sample, ...]) -> None:
    changed = [replace(samples[0], path=Path("absent.jpg")), *samples[1:]]
    decoded = decode(changed)
    assert decoded.failures == {0: "no such file"}
    assert not decoded.images[0].any()
    assert torch.equal(decoded.images[1:], decode(samples).images[1:])


def test_selection_keeps_order_and_repeats_and_names_failures(samples: tuple[Sample, ...]) -> None:
    changed = [*samples[:2], replace(samples[2], path=Path("absent.jpg"), name="auk/two"), *samples[3:]]
    decoded = decode(changed)
    images, good, failures = decoded.select([5, 2, 0, 5])
    assert good == [5, 0, 5]
    assert torch.equal(images, decoded.images[[5, 0, 5]])
    assert failures == [Failure(1, "auk/two", "no such file")]
    images.zero_()
    assert decoded.images[5].any()


def test_selection_of_nothing_good_is_empty_but_shaped(samples: tuple[Sample, ...]) -> None:
    decoded = decode([replace(samples[0], path=Path("absent.jpg"))])
    images, good, failures = decoded.select([0])
    assert images.shape == (0, 3, 16, 16)
    assert (good, len(failures)) == ([], 1)


def test_memory_is_known_beforehand(samples: tuple[Sample, ...]) -> None:
    decoded = decode(samples)
    assert DecodedImages.bytes_needed(len(samples), TRANSFORM) == decoded.images.numel()
