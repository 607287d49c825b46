"""Open CUB-200-2011's layout, numbered lists beside `images/`, as an `ImageDataset`."""

import math
from collections.abc import Collection
from pathlib import Path

from birdnet_cli.core.data.dataset import ImageDataset, ListedImage, assemble_dataset, enumerate_some
from birdnet_cli.core.data.list_file import locate_listed, read_list
from birdnet_cli.core.errors import DataError

__all__ = ["is_cub_layout", "open_cub"]

IMAGES, LABELS, SPLIT, CLASSES = "images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"
BOXES = "bounding_boxes.txt"


def is_cub_layout(root: Path) -> bool:
    """Return whether `root` holds CUB's `images.txt` and `image_class_labels.txt`."""
    return (root / IMAGES).is_file() and (root / LABELS).is_file()


def open_cub(root: Path, *, bbox: bool = False) -> ImageDataset:
    """Read CUB's lists, whose lines are `ID VALUE`; ids may have gaps and start anywhere.

    `images.txt` names files below `images/`, `image_class_labels.txt` class ids of `classes.txt`,
    `train_test_split.txt` 1 for train and 0 for test, `bounding_boxes.txt` x, y, width and height in pixels. Samples
    are sorted by image id, classes by class id.

    Args:
        root: the folder that holds the lists.
        bbox: give each sample its bounding box.

    Raises:
        DataError: a list is missing or damaged, two lists disagree, a label is not in `classes.txt`, or a path leaves
            `images/`; the message names the line or the first five ids.
    """
    if not (root / "images").is_dir():
        raise DataError(f"{root}: CUB's layout needs the folder images/ beside its lists")
    files = _read_numbered(root / IMAGES)
    labels = _read_numbered(root / LABELS)
    splits = _read_numbered(root / SPLIT)
    classes = dict(sorted(_read_numbered(root / CLASSES).items()))
    if len(set(classes.values())) < len(classes):
        raise DataError(f"{root / CLASSES}: two classes have the same name")
    boxes = _read_boxes(root / BOXES) if bbox else {}
    for name, ids in [(LABELS, labels.keys()), (SPLIT, splits.keys()), *([(BOXES, boxes.keys())] if bbox else [])]:
        _check_agreement(root, name, ids=ids, expected=files.keys())
    images = []
    for image_id, file in sorted(files.items()):
        path, name = locate_listed(root / "images", file, where=f"{root / IMAGES}, id {image_id}")
        label = _parse_id(labels[image_id])
        class_name = classes.get(label) if label is not None else None
        if class_name is None:
            unknown = [key for key, value in sorted(labels.items()) if _parse_id(value) not in classes]
            raise DataError(f"{root / LABELS}: labels that {CLASSES} lacks, at ids {enumerate_some(unknown)}")
        if splits[image_id] not in {"0", "1"}:
            odd = [key for key, value in sorted(splits.items()) if value not in {"0", "1"}]
            raise DataError(
                f"{root / SPLIT}: expected 1 (train) or 0 (test); got other values at ids {enumerate_some(odd)}"
            )
        split = "train" if splits[image_id] == "1" else "test"
        images.append(ListedImage(path, f"images/{name}", class_name, split, boxes.get(image_id)))
    return assemble_dataset(root, format="cub", images=images, declared=list(classes.values()))


def _read_numbered(path: Path) -> dict[int, str]:
    values: dict[int, str] = {}
    for number, line in enumerate(read_list(path).split("\n"), start=1):
        text = line.strip()
        if not text:
            continue
        head, *rest = text.split(maxsplit=1)
        key = _parse_id(head)
        if key is None or not rest:
            raise DataError(f"{path}, line {number}: expected `ID VALUE`, got {text[:60]!r}")
        if key in values:
            raise DataError(f"{path}, line {number}: id {key} is listed twice")
        values[key] = rest[0]
    return values


def _read_boxes(path: Path) -> dict[int, tuple[float, float, float, float]]:
    if not path.is_file():
        raise DataError(f"{path}: no such list; open the data set without bounding boxes, or copy CUB's {BOXES} here")
    boxes = {}
    for image_id, text in _read_numbered(path).items():
        try:
            x, y, width, height = (float(part) for part in text.split())
        except ValueError as error:
            raise DataError(f"{path}, id {image_id}: expected `X Y WIDTH HEIGHT`, got {text[:60]!r}") from error
        if not all(math.isfinite(value) for value in (x, y, width, height)):
            raise DataError(f"{path}, id {image_id}: expected finite numbers, got {text[:60]!r}")
        boxes[image_id] = (x, y, width, height)
    return boxes


def _check_agreement(root: Path, name: str, *, ids: Collection[int], expected: Collection[int]) -> None:
    absent = sorted(set(expected) - set(ids))
    extra = sorted(set(ids) - set(expected))
    parts = [f"ids only in {IMAGES}: {enumerate_some(absent)}"] if absent else []
    parts += [f"ids only in {name}: {enumerate_some(extra)}"] if extra else []
    if parts:
        raise DataError(f"{root}: {IMAGES} and {name} must have the same ids; {'; '.join(parts)}")


def _parse_id(text: str) -> int | None:
    # int() alone would accept '1_0', '+1' and digits of other scripts, and raise on very long numbers.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
