"""Batches: their order, their failures, and their independence of the processes that read them."""

import hashlib
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from birdnet_cli.core.data import NO_DIGEST, Batch, Failure, Sample, Transform, decode_image, load_batches, open_dataset
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import TransformSettings

TRANSFORM = Transform(TransformSettings(image_size=16))


def load(samples: Sequence[Sample], batches: Sequence[Sequence[int]], *, workers: int = 0) -> list[Batch]:
    return list(load_batches(samples, transform=TRANSFORM, batches=batches, workers=workers))


def test_batches_come_in_the_order_asked_for_with_repeats(samples: tuple[Sample, ...]) -> None:
    batches = load(samples, [[3, 1], range(4, 7), [1]])
    assert [batch.indices for batch in batches] == [[3, 1], [4, 5, 6], [1]]
    assert [batch.good for batch in batches] == [[0, 1], [0, 1, 2], [0]]
    assert [tuple(batch.images.shape) for batch in batches] == [(2, 3, 16, 16), (3, 3, 16, 16), (1, 3, 16, 16)]
    assert torch.equal(batches[0].images[1], batches[2].images[0])


def test_row_equals_the_single_image_path(samples: tuple[Sample, ...]) -> None:
    (batch,) = load(samples, [range(len(samples))])
    for sample, row, digest in zip(samples, batch.images, batch.digests, strict=True):
        assert torch.equal(row, TRANSFORM(decode_image(sample.path)))
        assert digest == hashlib.sha256(sample.path.read_bytes()).digest()


def test_bad_image_is_a_row_of_failures_and_shifts_nothing(samples: tuple[Sample, ...]) -> None:
    path = samples[1].path
    path.write_bytes(b"text")
    listed = [*samples[:1], Sample(path, "auk/bad.jpg", 0, "train"), *samples[2:]]
    (batch,) = load(listed, [[0, 1, 2]])
    reason = "not a JPEG, PNG, WebP or BMP image, or its header is damaged"
    assert batch.failures == [Failure(1, "auk/bad.jpg", reason)]
    assert batch.good == [0, 2]
    assert torch.equal(batch.images[1], TRANSFORM(decode_image(samples[2].path)))
    assert batch.digests[1] == hashlib.sha256(b"text").digest()


@pytest.mark.parametrize("workers", [0, 1])
def test_batch_without_a_good_image_is_empty_but_shaped(tmp_path: Path, workers: int) -> None:
    (batch,) = load([Sample(tmp_path / "gone.jpg", "gone.jpg", -1, "test")], [[0]], workers=workers)
    assert batch.images.shape == (0, 3, 16, 16)
    assert batch.images.dtype == torch.uint8
    assert batch.failures == [Failure(0, "gone.jpg", "no such file")]
    assert batch.digests == [NO_DIGEST]


@pytest.mark.parametrize("change", ["content", "time", "removal"])
def test_file_that_changed_after_listing_is_a_failure(samples: tuple[Sample, ...], change: str) -> None:
    path = samples[0].path
    if change == "content":
        status = path.stat()
        path.write_bytes(path.read_bytes() + b"\0")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    (batch,) = load(samples, [[0, 1]])
    expected = "no such file" if change == "removal" else "changed since it was listed"
    assert batch.failures == [Failure(0, "auk/00.png", expected)]
    assert batch.digests[0] == NO_DIGEST
    assert batch.good == [1]


def test_box_of_a_sample_is_cropped(samples: tuple[Sample, ...]) -> None:
    path = samples[0].path
    (batch,) = load([Sample(path, "a", 0, "train", box=(2, 3, 9, 9))], [[0]])
    assert torch.equal(batch.images[0], TRANSFORM(decode_image(path, box=(2, 3, 9, 9))))


def test_unusual_names_reach_the_workers(tmp_path: Path, save_image) -> None:
    for name in ["new\nline.png", "🐦.png", "\udcff.png"]:
        save_image(tmp_path / "auk" / name)
    dataset = open_dataset(tmp_path)
    (batch,) = load(dataset.samples, [[0, 1, 2]], workers=1)
    assert batch.good == [0, 1, 2]


def test_no_batches_are_no_batches(samples: tuple[Sample, ...]) -> None:
    assert load(samples, [], workers=2) == []


def test_negative_workers_are_refused(samples: tuple[Sample, ...]) -> None:
    with pytest.raises(UsageError, match="expected 0 or more workers, got -1"):
        load(samples, [[0]], workers=-1)


@pytest.mark.parametrize("workers", [0, 1])
def test_global_random_states_are_untouched(samples: tuple[Sample, ...], workers: int) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    load(samples, [[0], [1]], workers=workers)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # type: ignore[index, union-attr]
