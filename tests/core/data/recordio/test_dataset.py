"""RecordIO as a data set: splits, class names, labels and the places of images."""

import os
import pickle
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from birdnet_cli.core.data import (
    ImageRecord,
    open_dataset,
    read_sample,
    write_records,
)
from birdnet_cli.core.data.dataset import RecordPlace
from birdnet_cli.core.data.recordio.dataset import is_record_layout, record_samples, split_location
from birdnet_cli.core.data.recordio.record import frame_record
from birdnet_cli.core.errors import DataError


def write(path: Path, labels: Sequence[float], *, image: bytes = b"image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_records(path) as writer:
        for number, label in enumerate(labels):
            writer.write(ImageRecord((label,), number, 0, image + str(number).encode()))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Train: labels 2 0 2 1, test: 1 0; classes.txt names three."""
    write(tmp_path / "set" / "train.rec", [2, 0, 2, 1])
    write(tmp_path / "set" / "test.rec", [1, 0])
    (tmp_path / "set" / "classes.txt").write_text("auk\nbee eater\ncrow\n")
    return tmp_path / "set"


def test_folder_has_a_split_for_each_file_and_its_classes_from_the_list(root: Path) -> None:
    dataset = open_dataset(root)
    assert (dataset.format, dataset.root) == ("rec", root)
    assert dataset.classes == ("auk", "bee eater", "crow")
    assert dataset.split_sizes() == {"train": 4, "test": 2}
    assert [sample.name for sample in dataset.samples] == [
        "train.rec#0", "train.rec#1", "train.rec#2", "train.rec#3", "test.rec#0", "test.rec#1",
    ]  # fmt: skip
    assert [sample.label for sample in dataset.samples] == [2, 0, 2, 1, 1, 0]
    assert [read_sample(sample) for sample in dataset.samples] == [
        b"image0", b"image1", b"image2", b"image3", b"image0", b"image1",
    ]  # fmt: skip


def test_data_set_travels_to_other_processes(root: Path) -> None:
    dataset = open_dataset(root)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy == dataset
    assert read_sample(copy.samples[3]) == b"image3"


def test_single_file_holds_training_images(root: Path) -> None:
    dataset = open_dataset((root / "test.rec").rename(root / "ANY.REC"))
    assert dataset.split_sizes() == {"train": 2}
    assert dataset.classes == ("auk", "bee eater")
    assert dataset.empty_classes == ("crow",)
    assert dataset.samples[1].location == f"{root / 'ANY.REC'}#1"


def test_validation_has_several_names_but_one_file(root: Path) -> None:
    write(root / "validation.rec", [0])
    assert open_dataset(root).split_sizes() == {"train": 4, "val": 1, "test": 2}
    write(root / "val.rec", [0])
    with pytest.raises(DataError, match=r"val\.rec and validation\.rec are files of the same split"):
        open_dataset(root)


def test_without_a_list_classes_are_numbers_in_their_order(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path / "a.rec", [10, 2, 10, 0]))
    assert dataset.classes == ("0", "2", "10")
    assert [sample.label for sample in dataset.samples] == [2, 1, 2, 0]
    assert dataset.empty_classes == ()


def test_class_without_an_image_gets_no_label(root: Path) -> None:
    write(root / "train.rec", [2, 0])
    write(root / "test.rec", [2])
    dataset = open_dataset(root)
    assert dataset.classes == ("auk", "crow")
    assert [sample.label for sample in dataset.samples] == [1, 0, 1]
    assert dataset.empty_classes == ("bee eater",)


def test_class_that_only_the_test_split_has_is_refused(root: Path) -> None:
    write(root / "train.rec", [2, 0])
    with pytest.raises(DataError, match="classes without a training image, though another split has them: bee eater"):
        open_dataset(root)


def test_folder_without_training_images_is_refused(root: Path) -> None:
    (root / "train.rec").unlink()
    assert is_record_layout(root)
    with pytest.raises(DataError, match="no training images"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("\ufeffauk\r\nbee\r\ncrow\r\n\r\n", ("auk", "bee", "crow")),
        ("  auk \nbée\ncrow", ("auk", "bée", "crow")),
    ],
    ids=["BOM, CRLF and empty lines at the end", "blanks, and no line end"],
)
def test_class_list_is_read_as_editors_write_it(root: Path, text: str, classes: tuple[str, ...]) -> None:
    (root / "classes.txt").write_text(text, encoding="utf-8", newline="")
    assert open_dataset(root).classes == classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auk\n\ncrow\n", r"classes\.txt, line 2: expected the name of class 1, got nothing"),
        ("", r"classes\.txt, line 1: expected the name of class 0, got nothing"),
        ("auk\ncrow\nauk\n", r"classes\.txt: classes named twice: auk"),
        ("auk\nbee\n", r"train\.rec: byte 0: record 0 has the label 2, but .*classes\.txt names 2 classes, 0 to 1"),
    ],
)
def test_class_list_that_does_not_fit_is_refused(root: Path, text: str, message: str) -> None:
    (root / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


def header(count: int, label: float, rest: bytes = b"") -> bytes:
    return frame_record(struct.pack("<IfQQ", count, label, 0, 0) + rest)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (header(0, 0.5), "record 1 has the label 0.5; expected the number of a class, 0 or more"),
        (header(0, -1), "record 1 has the label -1; expected the number of a class"),
        (header(0, float("nan")), "record 1 has the label nan; expected the number of a class"),
        (header(0, float("inf")), "record 1 has the label inf; expected the number of a class"),
        (header(0, 2.0**24), "record 1 has the label 1.67772e+07; expected the number of a class"),
        (header(1, 0, struct.pack("<f", 1.5)), "record 1 has the label 1.5; expected the number of a class"),
        (header(1, 0, b"abc"), "1 labels do not fit into a record of 27 bytes"),
        (header(2, 0, bytes(8)), "record 1 has a vector of 2 labels; expected a single number, the class of the image"),
        (header(2**32 - 1, 0), "record 1 has a vector of 4,294,967,295 labels"),
        (frame_record(b"short"), "a record of 5 bytes, too short for an image record's 24"),
        (b"JUNKJUNK", "expected RecordIO's magic 0a23d7ce, found 4a554e4b: not RecordIO, or damaged"),
        (header(0, 0)[:20], "expected a part of 32 bytes, there are 20: truncated or damaged"),
    ],
)
def test_record_that_is_no_image_of_a_class_is_refused_with_its_byte(
    tmp_path: Path, second: bytes, message: str
) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(header(0, 1) + second)
    with pytest.raises(DataError) as caught:
        open_dataset(path)
    assert str(caught.value).startswith(f"{path}: byte 32: {message}")


def test_vector_of_one_label_is_a_label(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_bytes(header(1, 0, struct.pack("<f", 3) + b"image"))
    (sample,) = open_dataset(tmp_path / "a.rec").samples
    assert open_dataset(tmp_path / "a.rec").classes == ("3",)
    assert read_sample(sample) == b"image"


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rec").touch()
    with pytest.raises(DataError, match=r"a\.rec: byte 0: zero bytes, no record"):
        open_dataset(tmp_path / "a.rec")


def test_index_is_not_needed(root: Path) -> None:
    before = open_dataset(root)
    (root / "train.idx").unlink()
    assert open_dataset(root) == before


def test_index_that_lacks_a_record_is_refused(root: Path) -> None:
    index = root / "train.idx"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert str(caught.value) == (
        f"{root / 'train.rec'}: byte 80: {index} lacks the record that begins here"
        "; remove the index, which is optional, or write it again"
    )


def test_index_of_another_file_is_refused(root: Path) -> None:
    index = root / "train.idx"
    index.write_text(index.read_text() + "4\t36\n")
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert str(caught.value) == (
        f"{root / 'train.rec'}: byte 36: {index} lists a record that does not begin here"
        "; remove the index, which is optional, or write it again"
    )


@pytest.mark.parametrize(
    ("size", "where"), [(50, "byte 40: expected a part of 40 bytes, there are 10"), (3, "byte 0: ")]
)
def test_file_that_is_cut_off_is_called_that_though_its_index_is_whole(root: Path, size: int, where: str) -> None:
    os.truncate(root / "train.rec", size)
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert str(caught.value).startswith(f"{root / 'train.rec'}: {where}")
    assert "truncated" in str(caught.value)


def test_fingerprint_knows_the_file_and_the_places(root: Path) -> None:
    before = open_dataset(root)
    assert open_dataset(root).fingerprint() == before.fingerprint()
    *others, last = before.samples
    moved = replace(last, record=RecordPlace(1, 40, 84))
    assert last.record == RecordPlace(1, 40, 80)
    assert replace(before, samples=(*others, moved)).fingerprint() != before.fingerprint()
    os.utime(root / "test.rec", ns=(1, 1))
    assert open_dataset(root).fingerprint() != before.fingerprint()


def test_fingerprint_of_files_is_what_it_was_before_there_were_records(tmp_path: Path) -> None:
    (tmp_path / "auk").mkdir()
    (tmp_path / "auk" / "a.png").write_bytes(b"12345678")
    os.utime(tmp_path / "auk" / "a.png", ns=(10**9, 10**9))
    # A cache that an earlier version began must stay resumable.
    assert open_dataset(tmp_path).fingerprint() == "09153246d1412fb7dd5d54895233d5749dffe6bd4ea770b2324ab6ebe790e574"


def test_a_csv_can_list_records(root: Path) -> None:
    listing = root / "list.csv"
    listing.write_text("path,label,split\ntrain.rec#2,crow,train\ntrain.rec#1,auk,train\ntest.rec#1,auk,test\n")
    dataset = open_dataset(listing)
    assert [sample.name for sample in dataset.samples] == ["test.rec#1", "train.rec#1", "train.rec#2"]
    assert [read_sample(sample) for sample in dataset.samples] == [b"image1", b"image1", b"image2"]
    whole = {sample.name: sample for sample in open_dataset(root).samples}
    assert all(sample.record == whole[sample.name].record for sample in dataset.samples)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("test.rec#2,auk", r"list\.csv, line 2: .*test\.rec has records 0 to 1; got 2"),
        ("absent.rec#0,auk", r"absent\.rec: no such file"),
        ("../set/test.rec#0,auk", r"list\.csv, line 2: the path .* must be relative and stay inside"),
    ],
)
def test_a_csv_of_records_that_are_not_there_is_refused(root: Path, row: str, message: str) -> None:
    (root / "list.csv").write_text(f"path,label\n{row}\n")
    with pytest.raises(DataError, match=message):
        open_dataset(root / "list.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.rec#12", ("a/b.rec", 12)),
        ("x.rec#1.rec#2", ("x.rec#1.rec", 2)),
        ("two\nlines.REC#0", ("two\nlines.REC", 0)),
        ("a.rec", None),
        ("a.rec#", None),
        ("a.rec#-1", None),
        ("a.jpg#1", None),
        (".rec#1", None),
    ],
)
def test_location_of_a_record_is_split(text: str, expected: tuple[str, int] | None) -> None:
    assert split_location(text) == expected


def test_records_are_samples_for_prediction(root: Path) -> None:
    path = root / "test.rec"
    samples = list(record_samples(path))
    assert [sample.name for sample in samples] == [f"{path}#0", f"{path}#1"]
    assert [sample.location for sample in samples] == [sample.name for sample in samples]
    assert {sample.label for sample in samples} == {-1}
    assert list(record_samples(path, number=1)) == samples[1:]
    with pytest.raises(DataError, match=r"test\.rec: expected the number of a record, 0 to 1; got 2"):
        list(record_samples(path, number=2))
