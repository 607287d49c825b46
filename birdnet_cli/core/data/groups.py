"""Read the group of each image, such as its photographer or place, from a CSV with the columns `path` and `group`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.data.list_file import locate_listed, read_list
from birdnet_cli.core.errors import DataError

__all__ = ["group_images", "read_groups"]


def read_groups(path: Path, *, column: str = "group") -> dict[str, str]:
    """Return image name -> group; other columns are ignored, so a data set's own CSV may hold the groups.

    Args:
        path: the CSV; its paths are the names of the data set's images, relative to its root.
        column: name of the column that holds the group, in any case. An empty value means no group.

    Raises:
        DataError: the header lacks a column, a row is damaged, or an image has two groups; the message names the
            line.
    """
    rows = csv.reader(io.StringIO(read_list(path), newline=""), strict=True)
    groups: dict[str, str] = {}
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        for wanted in ("path", column.lower()):
            if header.count(wanted) != 1:
                raise DataError(
                    f"{path}: the first line must name the columns path and {column} once each; it is "
                    f"{','.join(header)!r} (--group-col)"
                )
        name_at, group_at = header.index("path"), header.index(column.lower())
        for row in rows:
            if not any(value.strip() for value in row):
                continue
            where = f"{path}, line {rows.line_num}"
            if len(row) != len(header):
                raise DataError(f"{where}: expected {len(header)} values, got {len(row)}")
            name = locate_listed(path.parent, row[name_at], where=where)[1]
            group = row[group_at].strip()
            if groups.setdefault(name, group) != group:
                raise DataError(f"{where}: {name} is in group {group!r} here and in {groups[name]!r} above")
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not CSV: {error}") from error
    return groups


def group_images(names: Sequence[str], path: Path, *, column: str) -> NDArray[np.int64]:
    """Return the group number of each image, int64 [N], from 0; an image without a group is a group of its own.

    Args:
        names: names of the N images, as in the feature cache.
        path: a CSV with the columns `path` and `column`; rows of other images are ignored.
        column: the column that holds the group.

    Raises:
        DataError: the CSV is damaged, or lacks a row for an image.
    """
    group_of = read_groups(path, column=column)
    absent = [name for name in names if name not in group_of]
    if absent:
        raise DataError(
            f"{path}: has no row for {len(absent)} of {len(names)} training images, such as {absent[0]!r}; "
            "its paths must be those of the cache"
        )
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(f"g{group_of[name]}" if group_of[name] else f"i{name}", len(numbers)) for name in names]
    )
