"""A data set: its class list and its samples in a fixed order. No pixels are read here."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from birdnet_cli.core.errors import DataError

__all__ = [
    "SPLITS",
    "SPLIT_NAMES",
    "ImageDataset",
    "ListedImage",
    "RecordPlace",
    "Sample",
    "assemble_dataset",
    "enumerate_some",
]

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """The place of a record in a `.rec` file.

    Attributes:
        number: index of the record, from 0.
        start: offset of its first byte.
        end: offset of the byte after its last.
    """

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sample:
    """An image of a data set.

    Attributes:
        path: its file; a `.rec` file holds many images.
        name: the path relative to the data set's root, with `/`, as `os.fsdecode` gives it; `train.rec#7` is the
            eighth record of a `.rec` file.
        label: index into the class list; -1 is unlabelled.
        split: `train`, `val` or `test`.
        box: x, y, width, height in pixels of the stored image, before any EXIF rotation; None is the whole image.
        size: size of the file in bytes when it was listed; -1 if `stat` failed then, None if it was not recorded.
        mtime_ns: modification time of the file when it was listed; -1 and None as for `size`.
        record: the image's record if the file is a `.rec` file; else None.
    """

    path: Path
    name: str
    label: int
    split: str
    box: tuple[float, float, float, float] | None = None
    size: int | None = None
    mtime_ns: int | None = None
    record: RecordPlace | None = None

    @property
    def location(self) -> str:
        """The image as an argument of `predict`: its path, followed by `#` and the number for a record."""
        return str(self.path) if self.record is None else f"{self.path}#{self.record.number}"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image as a folder or a list names it, before the class list is known; see `Sample`."""

    path: Path
    name: str
    class_name: str
    split: str
    box: tuple[float, float, float, float] | None = None
    record: RecordPlace | None = None


@dataclass(frozen=True)
class ImageDataset:
    """Samples that share a class list.

    Attributes:
        root: the folder that sample names are relative to.
        format: the name of its layout, a key of `list_formats`.
        classes: names of the classes in the training split; a label is an index into them.
        samples: in the format's fixed order.
        empty_classes: classes that the layout declares but that hold no image; no label refers to them.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    empty_classes: tuple[str, ...] = ()

    def split_sizes(self) -> dict[str, int]:
        """Return split -> number of samples, in the order train, val, test; empty splits are left out."""
        counts = Counter(sample.split for sample in self.samples)
        return {split: counts[split] for split in SPLITS if counts[split]}

    def subset(self, split: str) -> "ImageDataset":
        """Return the samples of a split, with the same class list.

        Raises:
            DataError: no sample belongs to that split.
        """
        samples = tuple(sample for sample in self.samples if sample.split == split)
        if not samples:
            present = ", ".join(f"{name} ({count})" for name, count in self.split_sizes().items())
            raise DataError(
                f"{self.root}: no '{split}' images; its splits are: {present}. `fbn data split` divides a data set"
            )
        return replace(self, samples=samples)

    def fingerprint(self) -> str:
        """Return a SHA-256 over the class list and each sample's name, size, mtime, label, split, box and record.

        The root does not enter: a copy that keeps modification times has the same fingerprint.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for sample in self.samples:
            row: tuple[object, ...] = (
                sample.name, sample.size, sample.mtime_ns, sample.label, sample.split, sample.box
            )  # fmt: skip
            if sample.record is not None:
                row = (*row, sample.record.start, sample.record.end)
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()


def assemble_dataset(
    root: Path, *, format: str, images: Iterable[ListedImage], declared: Sequence[str]
) -> ImageDataset:
    """Build the class list from the training split; give every sample its label, size and modification time.

    Args:
        root: the folder that names are relative to.
        format: the layout's name.
        images: the images in their final order.
        declared: every class that the layout names, in label order; classes without a training image get no label.

    Raises:
        DataError: there is no training image, an image is listed twice, or a class of another split has no training
            image.
    """
    listed = list(images)
    repeated = [name for name, count in Counter(image.name for image in listed).items() if count > 1]
    if repeated:
        raise DataError(f"{root}: every image must be listed once; listed more often: {enumerate_some(repeated)}")
    trained = {image.class_name for image in listed if image.split == "train"}
    if not trained:
        raise DataError(f"{root}: no training images, and the class list comes from the training split")
    untrained = {image.class_name for image in listed} - trained
    if untrained:
        names = enumerate_some([name for name in declared if name in untrained])
        raise DataError(
            f"{root}: classes without a training image, though another split has them: {names}; "
            "add training images, or take these classes out of the other splits"
        )
    classes = tuple(name for name in declared if name in trained)
    labels = {name: label for label, name in enumerate(classes)}
    stamps: dict[Path, tuple[int, int]] = {}
    samples = []
    for image in listed:
        if image.path not in stamps:
            stamps[image.path] = _stamp(image.path)
        label = labels[image.class_name]
        samples.append(Sample(image.path, image.name, label, image.split, image.box, *stamps[image.path], image.record))
    empty = tuple(name for name in declared if name not in trained)
    return ImageDataset(root, format, classes, tuple(samples), empty)


def enumerate_some(items: Sequence[object]) -> str:
    """Return the first five items as a line of text, and the number of the others."""
    shown = [text if (text := str(item)).isprintable() else ascii(text) for item in items[:5]]
    return ", ".join(shown) + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        # Reading the image will report the reason, for this sample alone.
        return -1, -1
    return status.st_size, status.st_mtime_ns
