"""Open a CSV with the columns path, label and, optionally, split, as an `ImageDataset`."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from birdnet_cli.core.data.dataset import SPLIT_NAMES, ImageDataset, ListedImage, RecordPlace, assemble_dataset
from birdnet_cli.core.data.list_file import locate_listed, read_list
from birdnet_cli.core.data.recordio.dataset import list_records, split_location
from birdnet_cli.core.errors import DataError

__all__ = ["FOLDER_CSV", "is_csv_list", "open_csv_list"]

FOLDER_CSV = "dataset.csv"


def is_csv_list(root: Path) -> bool:
    """Return whether `root` is a file named `*.csv`, or a folder that holds `dataset.csv`."""
    return (root / FOLDER_CSV).is_file() or (root.suffix.lower() == ".csv" and root.is_file())


def open_csv_list(root: Path) -> ImageDataset:
    """Read a CSV whose header names the columns `path`, `label` and, optionally, `split`; other columns are ignored.

    Paths are relative to the CSV's folder, and blanks belong to them; `PATH.rec#NUMBER` is a record of a RecordIO file.
    Labels are class names, without the blanks around them. `split` is train, val (or valid, validation) or test;
    without that column every image is a training image. Samples and classes are sorted by the bytes of their names.

    Args:
        root: the CSV, or a folder that holds a `dataset.csv`.

    Raises:
        DataError: the header lacks a column, a row is damaged, a path leaves the folder, or a record does not exist;
            the message names the line.
    """
    path = root / FOLDER_CSV if root.is_dir() else root
    images = sorted(_read_rows(path), key=lambda image: os.fsencode(image.name))
    declared = sorted({image.class_name for image in images}, key=os.fsencode)
    return assemble_dataset(path.parent, format="csv", images=images, declared=declared)


def _read_rows(path: Path) -> Iterator[ListedImage]:
    records: dict[Path, list[RecordPlace]] = {}
    rows = csv.reader(io.StringIO(read_list(path), newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        columns = _find_columns(path, header)
        for row in rows:
            if any(value.strip() for value in row):
                yield _read_row(path, row, columns=columns, width=len(header), line=rows.line_num, records=records)
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not CSV: {error}") from error


def _find_columns(path: Path, header: list[str]) -> dict[str, int]:
    if not {"path", "label"} <= set(header):
        raise DataError(f"{path}: the first line must name the columns path,label[,split]; it is {','.join(header)!r}")
    for name in ("path", "label", "split"):
        if header.count(name) > 1:
            raise DataError(f"{path}: the first line names the column '{name}' twice")
    return {name: header.index(name) for name in ("path", "label", "split") if name in header}


def _read_row(
    path: Path,
    row: list[str],
    *,
    columns: dict[str, int],
    width: int,
    line: int,
    records: dict[Path, list[RecordPlace]],
) -> ListedImage:
    where = f"{path}, line {line}"
    if len(row) != width:
        raise DataError(f"{where}: expected {width} values, got {len(row)}; a value that holds a comma needs quotes")
    file, name = locate_listed(path.parent, row[columns["path"]], where=where)
    class_name = row[columns["label"]].strip()
    if not class_name:
        raise DataError(f"{where}: the label is empty")
    split = row[columns["split"]].strip() if "split" in columns else "train"
    if split not in SPLIT_NAMES:
        raise DataError(f"{where}: expected the split {', '.join(SPLIT_NAMES)}; got {split!r}")
    location = split_location(str(file))
    if location is None:
        return ListedImage(file, name, class_name, SPLIT_NAMES[split])
    file, number = Path(location[0]), location[1]
    if file not in records:
        records[file] = [place for place, _ in list_records(file)]
    if number >= len(records[file]):
        raise DataError(f"{where}: {file} has records 0 to {len(records[file]) - 1}; got {number}")
    return ListedImage(file, name, class_name, SPLIT_NAMES[split], record=records[file][number])
