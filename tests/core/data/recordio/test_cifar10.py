"""CIFAR-10 as MXNet published it: records, images and labels."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.data import (
    RecordReader,
    Transform,
    count_images,
    decode_image,
    open_dataset,
    read_sample,
    unpack_image,
    write_records,
)
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.recipe import TransformSettings


@pytest.mark.parametrize(("name", "count"), [pytest.param("train", 50_000, marks=pytest.mark.slow), ("test", 10_000)])
def test_cifar10_of_mxnet_is_rewritten_byte_for_byte(shared_data: Path, tmp_path: Path, name: str, count: int) -> None:
    source = shared_data / "cifar10" / f"{name}.rec"
    with RecordReader(source) as reader, write_records(tmp_path / "ours.rec") as writer:
        for start, data in zip(reader.starts, reader, strict=True):
            writer.write(unpack_image(data, start=start, path=str(source)))
        assert len(reader) == count
    for suffix in (".rec", ".idx"):
        ours, theirs = (tmp_path / "ours").with_suffix(suffix), source.with_suffix(suffix)
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest()


def test_index_of_cifar10_is_what_a_scan_finds(shared_data: Path) -> None:
    source = shared_data / "cifar10" / "test.rec"
    with RecordReader(source) as reader:
        assert reader.index == source.with_suffix(".idx")
        assert [span.start for span in reader.spans()] == reader.starts


def test_cifar10_has_its_images_and_labels(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "cifar10")
    assert dataset.format == "rec"
    assert dataset.classes == (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    assert count_images(dataset) == {"train": (5000,) * 10, "test": (1000,) * 10}
    with RecordReader(shared_data / "cifar10" / "test.rec") as reader:
        for sample in dataset.subset("test").samples[::997]:
            assert sample.record is not None
            assert reader.read(sample.record.number).endswith(read_sample(sample))
            pixels = np.asarray(decode_image(read_sample(sample)))
            assert pixels.shape == (32, 32, 3)
            assert pixels.std() > 5


@pytest.mark.parametrize(
    ("split", "every"),
    [
        pytest.param("train", 1, marks=pytest.mark.slow),
        pytest.param("test", 1, marks=pytest.mark.slow),
        ("test", 10),
    ],
)
def test_images_of_cifar10_decode(shared_data: Path, split: str, every: int) -> None:
    samples = open_dataset(shared_data / "cifar10").subset(split).samples[::every]
    decoded = DecodedImages(samples, transform=Transform(TransformSettings(image_size=32)), workers=2)
    assert decoded.failures == {}
    assert len(decoded.images) == (50_000 if split == "train" else 10_000) // every
    means = decoded.images.flatten(1).float().mean(1)
    assert 3 < means.min() < means.max() < 252
    assert means.mean() == pytest.approx(120.7, abs=1 if every == 1 else 3)
