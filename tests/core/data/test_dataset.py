"""The class list, labels, subsets and fingerprint of a data set."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from birdnet_cli.core.data.dataset import ImageDataset, ListedImage, assemble_dataset, enumerate_some
from birdnet_cli.core.errors import DataError


def assemble(root: Path, *rows: tuple[str, str, str], declared: tuple[str, ...]) -> ImageDataset:
    images = [ListedImage(root / name, name, class_name, split) for name, class_name, split in rows]
    return assemble_dataset(root, format="folder", images=images, declared=declared)


@pytest.fixture
def dataset(tmp_path: Path) -> ImageDataset:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(b"12345")
        os.utime(tmp_path / name, ns=(10, 20))
    rows = [("a.jpg", "wren", "train"), ("b.jpg", "finch", "train"), ("c.jpg", "wren", "test")]
    return assemble(tmp_path, *rows, declared=("wren", "finch"))


def test_labels_index_the_classes_in_the_declared_order(dataset: ImageDataset) -> None:
    assert dataset.classes == ("wren", "finch")
    assert [sample.label for sample in dataset.samples] == [0, 1, 0]


def test_declared_class_without_an_image_gets_no_label_but_is_kept_for_reports(tmp_path: Path) -> None:
    dataset = assemble(tmp_path, ("a.jpg", "wren", "train"), declared=("auk", "wren", "tern"))
    assert dataset.classes == ("wren",)
    assert dataset.samples[0].label == 0
    assert dataset.empty_classes == ("auk", "tern")


def test_class_that_only_another_split_has_is_named(tmp_path: Path) -> None:
    rows = [("a.jpg", "wren", "train"), ("b.jpg", "auk", "test"), ("c.jpg", "tern", "val")]
    with pytest.raises(DataError, match=r"without a training image.*: auk, tern; add training images"):
        assemble(tmp_path, *rows, declared=("auk", "tern", "wren"))


def test_class_that_another_split_lacks_shifts_no_label(dataset: ImageDataset) -> None:
    test = dataset.subset("test")
    assert test.classes == dataset.classes
    assert [(sample.name, sample.label) for sample in test.samples] == [("c.jpg", 0)]


def test_data_set_without_training_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training images"):
        assemble(tmp_path, ("a.jpg", "wren", "test"), declared=("wren",))


def test_image_listed_twice_is_named(tmp_path: Path) -> None:
    rows = [("a.jpg", "wren", "train"), ("b.jpg", "wren", "train"), ("a.jpg", "wren", "test")]
    with pytest.raises(DataError, match=r"listed more often: a\.jpg$"):
        assemble(tmp_path, *rows, declared=("wren",))


def test_absent_split_is_refused_with_the_splits_that_exist(dataset: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"no 'val' images; its splits are: train \(2\), test \(1\).*fbn data split"):
        dataset.subset("val")


def test_sample_records_size_and_modification_time(dataset: ImageDataset) -> None:
    assert (dataset.samples[0].size, dataset.samples[0].mtime_ns) == (5, 20)


def test_listed_file_that_is_absent_is_recorded_as_unseen(tmp_path: Path) -> None:
    sample = assemble(tmp_path, ("gone.jpg", "wren", "train"), declared=("wren",)).samples[0]
    assert (sample.size, sample.mtime_ns) == (-1, -1)


@pytest.mark.parametrize(
    "change",
    [{"name": "z.jpg"}, {"size": 6}, {"mtime_ns": 21}, {"label": 1}, {"split": "val"}, {"box": (0.0, 0.0, 1.0, 1.0)}],
    ids=lambda change: next(iter(change)),
)
def test_fingerprint_depends_on_every_property_of_a_sample(dataset: ImageDataset, change: dict[str, object]) -> None:
    first, *others = dataset.samples
    changed = replace(dataset, samples=(replace(first, **change), *others))  # type: ignore[arg-type]
    assert changed.fingerprint() != dataset.fingerprint()


def test_fingerprint_depends_on_class_names_and_order_but_not_on_the_root(dataset: ImageDataset) -> None:
    assert replace(dataset, classes=("wren", "linnet")).fingerprint() != dataset.fingerprint()
    assert replace(dataset, samples=dataset.samples[::-1]).fingerprint() != dataset.fingerprint()
    assert replace(dataset, root=Path("/elsewhere")).fingerprint() == dataset.fingerprint()


def test_fingerprint_takes_names_that_are_not_utf8(dataset: ImageDataset) -> None:
    odd = replace(dataset, samples=(replace(dataset.samples[0], name=os.fsdecode(b"\xff.jpg")),))
    assert len(odd.fingerprint()) == 64


def test_enumeration_shows_five_items_on_one_line() -> None:
    assert enumerate_some(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert enumerate_some([1, 2, 3, 4, 5, 6, 7]) == "1, 2, 3, 4, 5 and 2 more"
    assert enumerate_some(["two\nlines", "grün"]) == "'two\\nlines', grün"
