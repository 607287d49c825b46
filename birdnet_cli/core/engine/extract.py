"""Images -> feature cache: one pass over the backbone writes every requested descriptor, shard by shard."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from birdnet_cli.core.data import open_dataset
from birdnet_cli.core.features.extraction import Extraction
from birdnet_cli.core.features.run import ExtractReport, run_extraction
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.recipe import ExtractSettings

__all__ = ["extract", "prepare_extraction"]


def extract(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    settings: ExtractSettings | None = None,
    data_format: str = "auto",
    bbox: bool = False,
    splits: Sequence[str] = (),
    overwrite: bool = False,
    on_error: Literal["fail", "skip"] = "fail",
    progress: Progress | None = None,
) -> ExtractReport:
    """Run a data set's images through a backbone once and cache their descriptors.

    Args:
        data: an image folder, a CUB-200-2011 folder, a CSV, or RecordIO.
        output: the cache to write.
        settings: everything that decides the numbers; the default is VGG16, relu5_3, bilinear, 224 px.
        data_format: `auto`, `folder`, `cub`, `csv` or `rec`.
        bbox: crop to the data set's bounding boxes.
        splits: only these splits; empty is all.
        overwrite: replace a finished cache.
        on_error: `fail` stops at the first shard with an image that cannot be read; `skip` lists the image.
        progress: follows the work.

    Raises:
        FbnError: as `open_dataset`, `Extraction` and `run_extraction`.
    """
    extraction = prepare_extraction(
        data,
        output,
        settings=settings or ExtractSettings(),
        data_format=data_format,
        bbox=bbox,
        splits=splits,
        progress=progress,
    )
    return run_extraction(extraction, overwrite=overwrite, on_error=on_error, progress=progress)


def prepare_extraction(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    settings: ExtractSettings,
    data_format: str = "auto",
    bbox: bool = False,
    splits: Sequence[str] = (),
    progress: Progress | None = None,
) -> Extraction:
    """Open the data set and find the weights.

    Args:
        data: as in `extract`.
        output: the cache to write.
        settings: everything that decides the numbers.
        data_format: as in `extract`.
        bbox: crop to the data set's bounding boxes.
        splits: only these splits; empty is all.
        progress: follows a download of weights.

    Raises:
        FbnError: as `open_dataset` and `Extraction`.
    """
    dataset = open_dataset(Path(data), format=data_format, bbox=bbox)
    if splits:
        chosen = tuple(sample for split in splits for sample in dataset.subset(split).samples)
        dataset = replace(dataset, samples=chosen)
    return Extraction(dataset, Path(output), settings=settings, progress=progress)
