"""Class folders and split folders."""

import os
from pathlib import Path

import pytest

from birdnet_cli.core.data import ImageDataset, open_dataset
from birdnet_cli.core.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return root


def open_folder(root: Path) -> ImageDataset:
    return open_dataset(root, format="folder")


def rows(dataset: ImageDataset) -> list[tuple[str, str, str]]:
    return [(sample.name, dataset.classes[sample.label], sample.split) for sample in dataset.samples]


def test_class_folders_without_splits_are_all_training_images(tmp_path: Path) -> None:
    dataset = open_folder(touch(tmp_path, "wren/b.jpg", "auk/a.jpg", "wren/a.png"))
    assert dataset.classes == ("auk", "wren")
    assert rows(dataset) == [
        ("auk/a.jpg", "auk", "train"),
        ("wren/a.png", "wren", "train"),
        ("wren/b.jpg", "wren", "train"),
    ]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_split_folders_give_the_split_and_the_class_below_gives_the_label(tmp_path: Path, name: str) -> None:
    dataset = open_folder(touch(tmp_path, "train/auk/a.jpg", f"{name}/auk/b.jpg", "test/auk/c.jpg"))
    assert rows(dataset) == [
        ("test/auk/c.jpg", "auk", "test"),
        ("train/auk/a.jpg", "auk", "train"),
        (f"{name}/auk/b.jpg", "auk", "val"),
    ]


def test_files_nested_below_a_class_folder_belong_to_that_class(tmp_path: Path) -> None:
    dataset = open_folder(touch(tmp_path, "auk/2019/may/a.jpg", "wren/b.jpg"))
    assert rows(dataset)[0] == ("auk/2019/may/a.jpg", "auk", "train")


def test_hidden_and_foreign_files_are_left_out_and_suffixes_count_in_any_case(tmp_path: Path) -> None:
    names = ["auk/.a.jpg", "auk/._b.jpg", "auk/.c/d.jpg", ".git/e.jpg", "auk/notes.txt", "auk/f.gif", "auk/jpg"]
    kept = ["auk/A.JPG", "auk/b.Jpeg", "auk/c.png", "auk/d.webp", "auk/e.bmp"]
    assert [name for name, _, _ in rows(open_folder(touch(tmp_path, *names, *kept)))] == kept


def test_samples_are_sorted_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    # As text, the surrogate of byte 0xff sorts before the emoji; as bytes, after it.
    odd = os.fsdecode(b"auk/\xff.jpg")
    names = [name for name, _, _ in rows(open_folder(touch(tmp_path, odd, "auk/🐦.jpg", "auk/Z.jpg", "auk/a.jpg")))]
    assert names == ["auk/Z.jpg", "auk/a.jpg", "auk/🐦.jpg", odd]


def test_unusual_names_are_kept_as_the_system_gives_them(tmp_path: Path) -> None:
    names = ["a b/new\nline.jpg", 'a b/🐦 wren,".jpg', os.fsdecode(b"a b/\xe9.jpg")]
    dataset = open_folder(touch(tmp_path, *names))
    assert dataset.classes == ("a b",)
    assert [sample.name for sample in dataset.samples] == sorted(names, key=os.fsencode)
    assert all(sample.path.read_bytes() == os.fsencode(sample.name) for sample in dataset.samples)


def test_class_list_comes_from_the_folders_under_train(tmp_path: Path) -> None:
    touch(tmp_path, "train/wren/a.jpg", "train/auk/b.jpg", "test/wren/c.jpg")
    (tmp_path / "train" / "crake").mkdir()
    dataset = open_folder(tmp_path)
    assert dataset.classes == ("auk", "wren")
    assert dataset.empty_classes == ("crake",)
    assert dataset.subset("test").samples[0].label == 1


@pytest.mark.parametrize("empty_in_train", [False, True])
def test_class_that_only_test_has_images_of_is_named(tmp_path: Path, empty_in_train: bool) -> None:
    touch(tmp_path, "train/wren/a.jpg", "test/auk/b.jpg")
    if empty_in_train:
        (tmp_path / "train" / "auk").mkdir()
    with pytest.raises(DataError, match=r"without a training image.*: auk;"):
        open_folder(tmp_path)


def test_class_called_train_beside_other_classes_is_a_class(tmp_path: Path) -> None:
    assert open_folder(touch(tmp_path, "bus/a.jpg", "train/b.jpg", "tram/c.jpg")).classes == ("bus", "train", "tram")


def test_images_outside_class_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"outside any class folder: sheet\.png; move them"):
        open_folder(touch(tmp_path / "flat", "sheet.png", "wren/a.jpg"))
    with pytest.raises(DataError, match=r"outside any class folder: test/b\.jpg"):
        open_folder(touch(tmp_path / "split", "train/wren/a.jpg", "test/b.jpg"))


def test_folder_with_images_that_is_no_split_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "train/wren/a.jpg", "tset/wren/b.jpg")
    with pytest.raises(DataError, match=r"images in folders that are no split: tset; beside train/"):
        open_folder(tmp_path)


def test_folder_without_images_beside_the_splits_does_no_harm(tmp_path: Path) -> None:
    assert len(open_folder(touch(tmp_path, "train/wren/a.jpg", "lists/all.txt")).samples) == 1


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/wren/a.jpg", "val/wren/b.jpg", "valid/wren/c.jpg")
    with pytest.raises(DataError, match="val and valid are folders of the same split"):
        open_folder(tmp_path)


def test_split_folders_without_train_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="test and val but no train/"):
        open_folder(touch(tmp_path, "test/wren/a.jpg", "val/wren/b.jpg"))


def test_folders_without_images_are_refused_with_the_suffixes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images \(\.jpg, \.jpeg, \.png, \.webp, \.bmp\)"):
        open_folder(touch(tmp_path, "wren/a.tif"))


def test_linked_class_folder_and_linked_file_count(tmp_path: Path) -> None:
    touch(tmp_path / "store", "wren/a.jpg")
    root = touch(tmp_path / "root", "auk/b.jpg")
    (root / "wren").symlink_to(tmp_path / "store" / "wren")
    (root / "auk" / "c.jpg").symlink_to(tmp_path / "store" / "wren" / "a.jpg")
    assert [name for name, _, _ in rows(open_folder(root))] == ["auk/b.jpg", "auk/c.jpg", "wren/a.jpg"]


def test_folder_link_that_leads_back_up_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "wren/a.jpg")
    (tmp_path / "wren" / "again").symlink_to(tmp_path / "wren")
    with pytest.raises(DataError, match=r"wren/again: this link leads back"):
        open_folder(tmp_path)


def test_links_to_nothing_pipes_and_circles_are_listed_so_that_reading_names_them(tmp_path: Path) -> None:
    touch(tmp_path, "wren/a.jpg")
    (tmp_path / "wren" / "dangling.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "wren" / "circle.jpg").symlink_to(tmp_path / "wren" / "circle.jpg")
    os.mkfifo(tmp_path / "wren" / "pipe.jpg")
    names = [Path(sample.name).name for sample in open_folder(tmp_path).samples]
    assert names == ["a.jpg", "circle.jpg", "dangling.jpg", "pipe.jpg"]


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: the folder cannot be listed: Not a directory"):
        open_folder(tmp_path / "a.jpg")
