"""The report on a data set."""

import shutil
from pathlib import Path

import pytest

from birdnet_cli.core.data import DataReport, check_dataset, count_images, open_dataset


@pytest.fixture
def root(tmp_path: Path, save_image) -> Path:
    for number, name in enumerate(["train/auk/a.png", "train/auk/b.png", "train/wren/a.png", "train/wren/b.png"]):
        save_image(tmp_path / name, seed=number)
    save_image(tmp_path / "test/auk/a.png", seed=10)
    save_image(tmp_path / "test/wren/a.png", seed=11)
    return tmp_path


def check(root: Path, *, workers: int = 0) -> DataReport:
    return check_dataset(open_dataset(root), workers=workers)


def test_sound_data_set_has_no_problems(root: Path) -> None:
    assert check(root).problems() == []


def test_images_are_counted_per_split_and_class(root: Path, save_image) -> None:
    save_image(root / "test/wren/b.png", seed=12)
    assert count_images(open_dataset(root)) == {"train": (2, 2), "test": (1, 2)}
    assert check(root).counts == {"train": (2, 2), "test": (1, 2)}


def test_unusable_images_are_named_and_do_not_count_for_training(root: Path) -> None:
    (root / "train/auk/b.png").write_bytes(b"text")
    report = check(root)
    reason = "not a JPEG, PNG, WebP or BMP image, or its header is damaged"
    assert report.failures == (("train/auk/b.png", reason),)
    assert report.scarce == {"auk": 1}
    assert report.problems() == [f"train/auk/b.png: {reason}", "class auk: 1 usable training images"]


def test_identical_files_are_told_apart_within_and_across_splits(root: Path) -> None:
    shutil.copy(root / "train/auk/a.png", root / "train/auk/c.png")
    shutil.copy(root / "train/wren/a.png", root / "test/auk/c.png")
    report = check(root)
    assert report.repeated == (("train/auk/a.png", "train/auk/c.png"),)
    assert report.leaked == (("test/auk/c.png", "train/wren/a.png"),)
    assert report.problems() == [
        "the same file in several splits: test/auk/c.png, train/wren/a.png",
        "the same file more than once: train/auk/a.png, train/auk/c.png",
    ]


def test_unreadable_files_are_not_taken_for_copies_of_each_other(root: Path) -> None:
    (root / "train/auk/x.png").symlink_to("nothing")
    (root / "train/auk/y.png").symlink_to("nothing")
    report = check(root)
    assert len(report.failures) == 2
    assert report.repeated == ()


def test_classes_with_fewer_than_two_training_images_are_named(root: Path) -> None:
    (root / "train/wren/b.png").unlink()
    (root / "train/crake").mkdir()
    report = check(root)
    assert report.scarce == {"wren": 1, "crake": 0}
    assert "class crake: 0 usable training images" in report.problems()


def test_classes_that_a_split_lacks_are_named(root: Path) -> None:
    (root / "test/wren/a.png").unlink()
    report = check(root)
    assert report.missing == {"test": ("wren",)}
    assert report.problems() == ["classes missing from test: wren"]


def test_single_class_is_a_problem(root: Path) -> None:
    shutil.rmtree(root / "train/wren")
    shutil.rmtree(root / "test/wren")
    assert check(root).problems() == ["only one class: training needs at least two"]


def test_ranges_of_width_and_height_are_those_of_the_usable_images(root: Path, save_image) -> None:
    save_image(root / "train/auk/wide.png", size=(50, 4))
    report = check(root)
    assert (report.width, report.height) == ((12, 50), (4, 10))


def test_data_set_without_a_usable_image_has_no_ranges(tmp_path: Path) -> None:
    (tmp_path / "auk").mkdir()
    (tmp_path / "auk" / "a.png").write_bytes(b"text")
    report = check(tmp_path)
    assert (report.width, report.height) == (None, None)


def test_report_does_not_depend_on_workers(root: Path) -> None:
    (root / "train/auk/b.png").write_bytes(b"text")
    assert check(root, workers=2) == check(root)
