"""Recognise a data set's layout, and open it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from birdnet_cli.core.data.dataset import ImageDataset
from birdnet_cli.core.data.layouts.csv_list import is_csv_list, open_csv_list
from birdnet_cli.core.data.layouts.cub import is_cub_layout, open_cub
from birdnet_cli.core.data.layouts.folder import is_folder_layout, open_folder
from birdnet_cli.core.data.recordio.dataset import is_record_layout, open_records
from birdnet_cli.core.errors import DataError, UnknownNameError, UsageError

__all__ = ["list_formats", "open_dataset"]


@dataclass(frozen=True)
class _Format:
    looks_like: str
    detect: Callable[[Path], bool]
    open: Callable[[Path], ImageDataset]


# In the order of detection, the folder layout last: the other layouts may hold folders as well.
_FORMATS = {
    "cub": _Format(
        "a folder with images.txt, image_class_labels.txt, train_test_split.txt, classes.txt and images/",
        is_cub_layout,
        open_cub,
    ),
    "csv": _Format(
        "a .csv file with the header path,label[,split], or a folder that holds dataset.csv",
        is_csv_list,
        open_csv_list,
    ),
    "rec": _Format(
        "a .rec file (RecordIO), or a folder with train.rec and optionally val.rec, test.rec and classes.txt",
        is_record_layout,
        open_records,
    ),
    "folder": _Format(
        "a folder with a folder of images for each class, or with train/, val/, test/ that hold such folders",
        is_folder_layout,
        open_folder,
    ),
}


def list_formats() -> dict[str, str]:
    """Return layout name -> description of its files, in the order of detection."""
    return {name: layout.looks_like for name, layout in _FORMATS.items()}


def open_dataset(root: Path, *, format: str = "auto", bbox: bool = False) -> ImageDataset:
    """Open a data set: list its images with their sizes and modification times, without reading them.

    Args:
        root: a folder, a CSV file or a `.rec` file.
        format: a name of `list_formats`; `auto` takes the first layout whose files are at `root`.
        bbox: crop each image to its bounding box, which only CUB's layout has.

    Raises:
        UnknownNameError: no such format.
        UsageError: `bbox` is given for another layout than CUB's.
        DataError: `root` does not exist, its layout is not recognised, or the layout's files are damaged.
    """
    if format != "auto" and format not in _FORMATS:
        raise UnknownNameError("data format", format, ["auto", *_FORMATS])
    try:
        root.stat()
    except OSError as error:
        raise DataError(f"{root}: expected a folder, a CSV or a .rec file: {error.strerror}") from error
    name = format if format != "auto" else _detect(root)
    if bbox and name != "cub":
        raise UsageError(f"{root}: only CUB's layout has bounding boxes; this is '{name}'")
    return open_cub(root, bbox=True) if bbox else _FORMATS[name].open(root)


def _detect(root: Path) -> str:
    for name, layout in _FORMATS.items():
        if layout.detect(root):
            return name
    shapes = "; ".join(f"{name}: {layout.looks_like}" for name, layout in _FORMATS.items())
    raise DataError(f"{root}: not recognised as a data set. {shapes}")
