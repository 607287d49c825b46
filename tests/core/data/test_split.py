"""Stratified splits and the CSV that keeps them."""

import os
from collections import Counter
from pathlib import Path

import pytest

from birdnet_cli.core.data import assign_splits, open_dataset, write_csv
from birdnet_cli.core.errors import DataError, UnknownNameError, UsageError

THIRDS = {"train": 0.7, "val": 0.15, "test": 0.15}


def counts(total: int, fractions: dict[str, float]) -> dict[str, int]:
    return dict(Counter(assign_splits([4] * total, fractions=fractions, seed=0)))


def test_each_class_is_divided_in_proportion() -> None:
    labels = [0, 1] * 100 + [0] * 20
    splits = assign_splits(labels, fractions=THIRDS, seed=0)
    for label, total in [(0, 120), (1, 100)]:
        counted = Counter(split for drawn, split in zip(labels, splits, strict=True) if drawn == label)
        assert counted == {split: round(total * share) for split, share in THIRDS.items()}


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (4, {"train": 2, "val": 1, "test": 1}),
        (10, {"train": 7, "val": 2, "test": 1}),
    ],
)
def test_small_class_serves_train_first_then_test_then_val(total: int, expected: dict[str, int]) -> None:
    assert counts(total, THIRDS) == expected


def test_split_of_a_tiny_share_still_gets_one_of_each_class() -> None:
    assert counts(10, {"train": 0.98, "test": 0.02}) == {"train": 9, "test": 1}


def test_draw_depends_on_the_seed_alone_and_not_on_sample_order() -> None:
    labels = [0] * 50
    assert assign_splits(labels, fractions=THIRDS, seed=1) == assign_splits(labels, fractions=THIRDS, seed=1)
    assert assign_splits(labels, fractions=THIRDS, seed=1) != assign_splits(labels, fractions=THIRDS, seed=2)
    assert assign_splits(labels, fractions=THIRDS, seed=1) != sorted(assign_splits(labels, fractions=THIRDS, seed=1))


def test_order_in_which_shares_are_given_does_not_matter() -> None:
    backwards = dict(reversed(THIRDS.items()))
    labels = [0] * 11 + [1] * 7
    assert assign_splits(labels, fractions=THIRDS, seed=0) == assign_splits(labels, fractions=backwards, seed=0)


def test_no_samples_give_no_splits() -> None:
    assert assign_splits([], fractions=THIRDS, seed=0) == []


def test_unknown_split_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown split 'tset': did you mean test"):
        assign_splits([0], fractions={"train": 0.5, "tset": 0.5}, seed=0)


@pytest.mark.parametrize(
    "fractions",
    [{"train": 0.5, "test": 0.4}, {"train": 1.1, "test": -0.1}, {"train": 1.0, "test": 0.0}, {"train": float("nan")}],
)
def test_shares_that_do_not_sum_to_one_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected positive shares that sum to 1; got train"):
        assign_splits([0], fractions=fractions, seed=0)


def test_shares_without_train_are_refused() -> None:
    with pytest.raises(UsageError, match=r"expected a share for train.*got test 1"):
        assign_splits([0], fractions={"test": 1.0}, seed=0)


NAMES = ['a,"b".jpg', "new\nline.jpg", "carriage\rreturn\r\n.jpg", " blank .jpg", "🐦.jpg", "\udcff\udce9.jpg"]


def make_folders(root: Path) -> Path:
    for class_name in ("auk, great", 'wren "troglodytes"', "\udcffinch"):
        for name in NAMES:
            path = root / class_name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(name))
    return root


@pytest.mark.parametrize("place", ["set/dataset.csv", "above.csv"])
def test_written_csv_reads_back_as_the_same_images_labels_and_splits(tmp_path: Path, place: str) -> None:
    dataset = open_dataset(make_folders(tmp_path / "set"))
    splits = assign_splits([sample.label for sample in dataset.samples], fractions=THIRDS, seed=0)
    write_csv(dataset, splits, tmp_path / place)
    again = open_dataset(tmp_path / place)
    assert again.classes == dataset.classes
    assert [sample.path for sample in again.samples] == [sample.path for sample in dataset.samples]
    assert [sample.label for sample in again.samples] == [sample.label for sample in dataset.samples]
    assert [sample.split for sample in again.samples] == splits


def test_csv_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    dataset = open_dataset(make_folders(tmp_path / "set"))
    out = tmp_path / "split.csv"
    out.write_text("before")
    with pytest.raises(ValueError, match="zip"):
        write_csv(dataset, ["train"], out)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "split.csv"]


def test_csv_outside_the_folders_above_the_images_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(make_folders(tmp_path / "set"))
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UsageError, match=r"it must lie in .*set or a folder above"):
        write_csv(dataset, ["train"] * len(dataset.samples), tmp_path / "elsewhere" / "split.csv")


def test_class_name_that_a_csv_would_lose_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wren ").mkdir()
    (tmp_path / "wren " / "a.jpg").touch()
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match="the class name 'wren ' begins or ends with a blank"):
        write_csv(dataset, ["train"], tmp_path / "split.csv")
