"""Open a `.rec` file, or a folder with `train.rec` and others, beside `classes.txt`, as an `ImageDataset`."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from birdnet_cli.core.data.dataset import (
    SPLIT_NAMES,
    ImageDataset,
    ListedImage,
    RecordPlace,
    Sample,
    assemble_dataset,
    enumerate_some,
)
from birdnet_cli.core.data.list_file import read_list
from birdnet_cli.core.data.recordio.reader import RecordReader
from birdnet_cli.core.data.recordio.record import HEADER, unpack_image
from birdnet_cli.core.errors import DataError

__all__ = ["CLASS_LIST", "is_record_layout", "list_records", "open_records", "record_samples", "split_location"]

CLASS_LIST = "classes.txt"
MAX_CLASSES = 2**24  # float32 labels above this are not exact

_REMEDY = "remove the index, which is optional, or write it again"
_LOCATION = re.compile(r"(.+\.rec)#(\d{1,12})", re.IGNORECASE | re.DOTALL)


def is_record_layout(root: Path) -> bool:
    """Return whether `root` is a file named `*.rec`, or a folder that holds a `.rec` file named after a split."""
    return (root.suffix.lower() == ".rec" and root.is_file()) or bool(_split_files(root))


def open_records(root: Path) -> ImageDataset:
    """Read the headers of every record; an `.idx` beside the `.rec` must agree with it.

    A single file holds training images. In a folder, `train.rec` holds the training images, and the files named val
    (or valid, validation) and test hold the other splits. Labels are whole numbers from 0, and line i of `classes.txt`
    names class i; without that list a class's name is its number. Samples are in the order of the files, train first.

    Args:
        root: a `.rec` file, or a folder.

    Raises:
        DataError: a file is empty, damaged or truncated, a record has no header, an index disagrees with its file, or
            a label is a vector of several values, no whole number or not in `classes.txt`; the message names the byte.
    """
    files = _split_files(root) if root.is_dir() else [("train", root)]
    repeated = [split for split, count in Counter(split for split, _ in files).items() if count > 1]
    if repeated:
        both = " and ".join(path.name for split, path in files if split == repeated[0])
        raise DataError(f"{root}: {both} are files of the same split")
    folder = root if root.is_dir() else root.parent
    names = _read_classes(folder / CLASS_LIST)
    images: list[ListedImage] = []
    seen: set[int] = set()
    for split, path in files:
        for place, head in list_records(path):
            label = _read_label(head, place=place, path=path)
            if names is not None and label >= len(names):
                raise DataError(
                    f"{path}: byte {place.start:,}: record {place.number} has the label {label}, but "
                    f"{folder / CLASS_LIST} names {len(names)} classes, 0 to {len(names) - 1}"
                )
            seen.add(label)
            class_name = names[label] if names is not None else str(label)
            images.append(ListedImage(path, f"{path.name}#{place.number}", class_name, split, record=place))
    declared = names if names is not None else [str(label) for label in sorted(seen)]
    return assemble_dataset(folder, format="rec", images=images, declared=declared)


def list_records(path: Path) -> Iterator[tuple[RecordPlace, bytes]]:
    """Yield each record's place and the first 28 bytes of its data, which include its label.

    Raises:
        DataError: the file is empty, damaged or truncated, or the index beside it disagrees with it.
    """
    starts: set[int] = set()
    with RecordReader(path) as reader:
        for number, (start, end, head) in enumerate(reader.spans()):
            starts.add(start)
            yield RecordPlace(number, start, end), head
        # Checked last, so that a truncated file is reported as truncated.
        indexed = starts if reader.index is None else set(reader.starts)
        if lacking := starts - indexed:
            raise DataError(
                f"{path}: byte {min(lacking):,}: {reader.index} lacks the record that begins here; {_REMEDY}"
            )
        if beyond := indexed - starts:
            raise DataError(
                f"{path}: byte {min(beyond):,}: {reader.index} lists a record that does not begin here; {_REMEDY}"
            )


def record_samples(path: Path, *, number: int | None = None) -> Iterator[Sample]:
    """Yield the records of a file as unlabelled samples, whose names are their `Sample.location`.

    Args:
        path: the `.rec` file.
        number: yield only this record; None yields all.

    Raises:
        DataError: as `list_records`, or there is no such record.
    """
    place = None
    for place, _ in list_records(path):
        if number is None or number == place.number:
            yield Sample(path, f"{path}#{place.number}", -1, "test", record=place)
        if number == place.number:
            return
    if number is not None and place is not None:
        raise DataError(f"{path}: expected the number of a record, 0 to {place.number}; got {number}")


def split_location(text: str) -> tuple[str, int] | None:
    """Return path and number of `PATH.rec#NUMBER`, as `Sample.location` writes it; None for any other text."""
    match = _LOCATION.fullmatch(text)
    return (match[1], int(match[2])) if match else None


def _split_files(folder: Path) -> list[tuple[str, Path]]:
    candidates = ((split, folder / f"{name}.rec") for name, split in SPLIT_NAMES.items())
    return [(split, path) for split, path in candidates if path.is_file()]


def _read_classes(path: Path) -> list[str] | None:
    if not path.is_file():
        return None
    names = [line.strip() for line in read_list(path).rstrip().split("\n")]
    if not all(names):
        raise DataError(
            f"{path}, line {names.index('') + 1}: expected the name of class {names.index('')}, got nothing"
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: classes named twice: {enumerate_some(repeated)}")
    return names


def _read_label(head: bytes, *, place: RecordPlace, path: Path) -> int:
    count, label = HEADER.unpack_from(head)[:2] if len(head) >= HEADER.size else (1, 0.0)
    if count > 1:
        raise DataError(
            f"{path}: byte {place.start:,}: record {place.number} has a vector of {count:,} labels; expected a "
            "single number, the class of the image"
        )
    if count == 1:
        (label,) = unpack_image(head, start=place.start, path=str(path)).labels
    if not (0 <= label < MAX_CLASSES and label == int(label)):
        raise DataError(
            f"{path}: byte {place.start:,}: record {place.number} has the label {label:g}; expected the number of a "
            "class, 0 or more"
        )
    return int(label)
