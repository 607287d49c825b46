"""Image names and a CSV of groups -> one integer per image, equal within a group."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.data import read_groups
from birdnet_cli.core.errors import DataError

__all__ = ["group_images"]


def group_images(names: Sequence[str], path: Path, *, column: str) -> NDArray[np.int64]:
    """Return the group of each image, [N]; an image whose group is empty in the CSV is a group of its own.

    Args:
        names: of the images, as the cache has them.
        path: a CSV with the columns `path` and `column`; rows of other images are ignored.
        column: the column that holds the group.

    Raises:
        DataError: the CSV is damaged, or lacks some of the images.
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
