"""Reading samples, whether each is a file or they share a record file."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.data import (
    NO_DIGEST,
    Failure,
    ImageRecord,
    Sample,
    SampleFiles,
    Transform,
    decode_image,
    load_batches,
    open_dataset,
    read_sample,
    write_records,
)
from birdnet_cli.core.data import image as image_module
from birdnet_cli.core.errors import ImageError
from birdnet_cli.core.recipe import TransformSettings

TRANSFORM = Transform(TransformSettings(image_size=16))


def write(path: Path, images: Sequence[bytes]) -> tuple[Sample, ...]:
    with write_records(path) as writer:
        for number, image in enumerate(images):
            writer.write(ImageRecord((0.0,), number, 0, image))
    return open_dataset(path).samples


@pytest.fixture
def records(tmp_path: Path, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The images of `samples`, as records."""
    return write(tmp_path / "a.rec", [sample.path.read_bytes() for sample in samples])


def test_record_has_the_bytes_of_the_file_that_it_was_made_from(
    samples: tuple[Sample, ...], records: tuple[Sample, ...]
) -> None:
    assert [read_sample(sample) for sample in records] == [read_sample(sample) for sample in samples]


def test_record_of_several_parts_is_read_whole(tmp_path: Path) -> None:
    image = bytes.fromhex("0a23d7ce") * 3 + b"end"
    (sample,) = write(tmp_path / "a.rec", [image])
    assert read_sample(sample) == image


def test_record_file_is_opened_once_and_closed_with_the_block(
    records: tuple[Sample, ...], samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real_open = os.open

    def watch(path: Path, flags: int) -> int:
        opened.append(Path(path).name)
        return real_open(path, flags)

    monkeypatch.setattr(os, "open", watch)
    before = set(Path("/proc/self/fd").iterdir())
    with SampleFiles() as files:
        for sample in (records[0], samples[0], records[1], samples[0], records[2]):
            files.read(sample)
    assert opened == ["a.rec", "00.png", "00.png"]
    assert set(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_records_are_those_of_files(
    samples: tuple[Sample, ...], records: tuple[Sample, ...], workers: int
) -> None:
    batches = [[3, 1], [10], list(range(11))]
    ours = list(load_batches(records, transform=TRANSFORM, batches=batches, workers=workers))
    theirs = list(load_batches(samples, transform=TRANSFORM, batches=batches, workers=0))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.images, other.images)
        assert (mine.indices, mine.good, mine.digests) == (other.indices, other.good, other.digests)


def test_bad_record_is_a_row_of_failures_and_shifts_nothing(tmp_path: Path, samples: tuple[Sample, ...]) -> None:
    good = samples[0].path.read_bytes()
    records = write(tmp_path / "a.rec", [good, b"text", b"", good])
    (batch,) = load_batches(records, transform=TRANSFORM, batches=[[0, 1, 2, 3]], workers=0)
    assert batch.good == [0, 3]
    assert batch.failures == [
        Failure(1, "a.rec#1", "not a JPEG, PNG, WebP or BMP image, or its header is damaged"),
        Failure(2, "a.rec#2", "zero bytes"),
    ]
    assert batch.digests[1:3] == [hashlib.sha256(b"text").digest(), NO_DIGEST]
    assert torch.equal(batch.images[1], TRANSFORM(decode_image(good)))


def overwrite_in_place(path: Path) -> None:
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(b"JUNK" + data[4:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: os.utime(path, ns=(1, 1)), "changed since it was listed"),
        (lambda path: os.truncate(path, 100), "changed since it was listed"),
        (Path.unlink, "no such file"),
        (overwrite_in_place, "byte 0: expected RecordIO's magic 0a23d7ce, found 4a554e4b: not RecordIO, or damaged"),
    ],
    ids=["time", "size", "removal", "content"],
)
def test_record_file_that_changed_after_listing_is_a_failure(
    records: tuple[Sample, ...], change: Callable[[Path], object], reason: str
) -> None:
    change(records[0].path)
    (batch,) = load_batches(records, transform=TRANSFORM, batches=[[0]], workers=0)
    assert batch.failures == [Failure(0, "a.rec#0", reason)]
    with pytest.raises(ImageError) as caught:
        read_sample(records[0])
    assert (caught.value.path, caught.value.reason) == (str(records[0].path), reason)


def test_image_of_a_record_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sample,) = write(tmp_path / "a.rec", [b"x" * 11])
    monkeypatch.setattr(image_module, "MAX_FILE_BYTES", 10)
    with pytest.raises(ImageError, match=r"a\.rec: 11 bytes; at most 10 are read"):
        read_sample(sample)
