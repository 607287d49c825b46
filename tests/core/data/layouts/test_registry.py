"""Detection of a data set's layout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.data import ImageRecord, list_formats, open_dataset, write_records
from birdnet_cli.core.errors import DataError, UnknownNameError, UsageError

SaveImage = Callable[..., Path]


def test_formats_are_listed_in_the_order_of_detection() -> None:
    assert list(list_formats()) == ["cub", "csv", "rec", "folder"]


def test_cub_lists_win_over_a_csv_and_a_csv_over_folders(cub_root: Path) -> None:
    (cub_root / "dataset.csv").write_text("path,label\nimages/f/one.jpg,finch\n")
    assert open_dataset(cub_root).format == "cub"
    (cub_root / "images.txt").unlink()
    assert open_dataset(cub_root).format == "csv"
    (cub_root / "dataset.csv").unlink()
    assert open_dataset(cub_root / "images").format == "folder"


def test_a_csv_wins_over_records_and_records_over_folders(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "wren" / "a.png")
    with write_records(tmp_path / "train.rec") as writer:
        writer.write(ImageRecord((0.0,), 0, 0, b""))
    (tmp_path / "dataset.csv").write_text("path,label\nwren/a.png,wren\n")
    assert open_dataset(tmp_path).format == "csv"
    (tmp_path / "dataset.csv").unlink()
    assert open_dataset(tmp_path).format == "rec"
    (tmp_path / "train.rec").rename(tmp_path / "birds.rec")
    assert open_dataset(tmp_path).format == "folder"
    assert open_dataset(tmp_path / "birds.rec").format == "rec"


def test_named_format_wins_over_detection(cub_root: Path) -> None:
    assert open_dataset(cub_root, format="folder").classes == ("images",)


def test_unknown_format_is_refused_with_near_matches(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown data format 'folders': did you mean folder"):
        open_dataset(tmp_path, format="folders")


def test_unrecognised_folder_is_refused_with_what_each_format_looks_like(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"not recognised as a data set") as caught:
        open_dataset(tmp_path)
    assert all(f"{name}: {looks_like}" in str(caught.value) for name, looks_like in list_formats().items())


def test_absent_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: expected a folder, a CSV or a \.rec file: No such file"):
        open_dataset(tmp_path / "nowhere")


def test_boxes_of_another_layout_than_cub_are_refused(cub_root: Path) -> None:
    with pytest.raises(UsageError, match="only CUB's layout has bounding boxes; this is 'folder'"):
        open_dataset(cub_root / "images", bbox=True)
