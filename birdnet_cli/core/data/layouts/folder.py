"""Open an image folder, `ROOT/CLASS/*.jpg` or `ROOT/{train,val,test}/CLASS/*.jpg`, as an `ImageDataset`."""

import os
from collections.abc import Iterator
from pathlib import Path

from birdnet_cli.core.data.dataset import SPLIT_NAMES, ImageDataset, ListedImage, assemble_dataset, enumerate_some
from birdnet_cli.core.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "is_folder_layout", "open_folder"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def is_folder_layout(root: Path) -> bool:
    """Return whether `root` is a folder with a visible folder inside."""
    return root.is_dir() and any(_is_folder(entry) for entry in _visible(root))


def open_folder(root: Path) -> ImageDataset:
    """Read class folders, with or without split folders above them.

    `ROOT` is divided into splits if every folder in it is named train, val, valid, validation or test, or if its
    `train` holds folders; otherwise each folder is a class and every image is a training image. Files anywhere below
    a class folder belong to that class; files whose name starts with a dot or has another suffix than `IMAGE_SUFFIXES`
    (in any case) are left out. Samples and classes are sorted by the bytes of their names.

    Raises:
        DataError: there are no images, images outside class folders or splits, two folders for the same split, or
            other splits without `train`; or a folder cannot be listed, or links to a folder above it.
    """
    splits = _find_splits(root)
    class_folders: list[tuple[str, Path]] = []
    strays: list[Path] = []
    for split, parent in splits.items() if splits else [("train", root)]:
        for entry in _visible(parent):
            if _is_folder(entry):
                class_folders.append((split, Path(entry.path)))
            elif _is_image(entry.name):
                strays.append(Path(entry.path))
    if strays:
        raise DataError(
            f"{root}: images outside any class folder: {enumerate_some([_name(root, path) for path in strays])}; "
            "move them into the folder of their class, or out of the data set"
        )
    images = [
        ListedImage(path, _name(root, path), folder.name, split)
        for split, folder in class_folders
        for path in _images_below(folder)
    ]
    if not images:
        raise DataError(f"{root}: no images ({', '.join(IMAGE_SUFFIXES)}) in its class folders")
    images.sort(key=lambda image: os.fsencode(image.name))
    trained = {folder.name for split, folder in class_folders if split == "train"}
    declared = sorted(trained | {image.class_name for image in images}, key=os.fsencode)
    return assemble_dataset(root, format="folder", images=images, declared=declared)


def _find_splits(root: Path) -> dict[str, Path]:
    folders = {entry.name: Path(entry.path) for entry in _visible(root) if _is_folder(entry)}
    train = folders.get("train")
    if not set(folders) <= set(SPLIT_NAMES) and not (train and any(_is_folder(entry) for entry in _visible(train))):
        return {}
    splits: dict[str, Path] = {}
    others = []
    for name, folder in folders.items():
        if name not in SPLIT_NAMES:
            others += [name] if any(_images_below(folder)) else []
        elif SPLIT_NAMES[name] in splits:
            raise DataError(f"{root}: {splits[SPLIT_NAMES[name]].name} and {name} are folders of the same split")
        else:
            splits[SPLIT_NAMES[name]] = folder
    if others:
        raise DataError(
            f"{root}: images in folders that are no split: {enumerate_some(others)}; beside train/ expected are "
            "val/ (or valid/, validation/) and test/: rename or move them, or list the images in a CSV"
        )
    if folders and "train" not in splits:
        raise DataError(f"{root}: {' and '.join(folders)} but no train/, from which the class list comes")
    return splits


def _images_below(folder: Path, *, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise DataError(f"{folder}: this link leads back to a folder above it; remove it")
    for entry in _visible(folder):
        if _is_folder(entry):
            yield from _images_below(Path(entry.path), above=(*above, identity))
        elif _is_image(entry.name):
            yield Path(entry.path)


def _visible(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be listed: {error.strerror}") from error
    return sorted(visible, key=lambda entry: os.fsencode(entry.name))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A circle of links: if it has an image's name, reading it reports the reason.
        return False


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
