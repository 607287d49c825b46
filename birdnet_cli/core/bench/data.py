"""Rates on this machine: images read, decoded and resized by processes, and each step alone in one process."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from birdnet_cli.core.data import Sample, SampleFiles, Transform, cut_batches, decode_image, load_batches, open_dataset
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.recipe import TransformSettings

__all__ = ["DataRates", "bench_data"]

BATCH_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class DataRates:
    """Images per second, medians over interleaved repeats.

    Attributes:
        workers: reading processes; 0 reads in the calling process.
        load: all steps, with hashing, transfer between processes, and their start.
        read: bytes of the image file or record, in one process.
        decode: bytes to RGB pixels, in one process.
        resize: RGB pixels to [3, S, S], in one process.
    """

    workers: int
    load: float
    read: float
    decode: float
    resize: float

    def to_json(self) -> dict[str, Any]:
        """Return the rates as a JSON object."""
        return asdict(self)


def bench_data(
    data: Path, *, image_size: int, images: int, repeats: int, workers: int, progress: Progress | None = None
) -> DataRates:
    """Time the steps from a data set on disk to batches, interleaved, on the same images.

    Args:
        data: a data set.
        image_size: side of the square, in pixels.
        images: images per measurement, the first of the data set.
        repeats: measurements; medians are returned.
        workers: processes of the loader; 0 reads in the calling process.
        progress: follows the work.

    Raises:
        DataError: no data set there, fewer images, or an image that cannot be read.
    """
    progress = progress or SilentProgress()
    samples = open_dataset(data).samples[:images]
    if len(samples) < images:
        raise DataError(f"{data}: has {len(samples)} images; the measurement wants {images} (--images)")
    transform = Transform(TransformSettings(image_size=image_size))
    rows = []
    with progress.stage("bench", total=repeats, unit="runs") as advance:
        for _ in range(repeats):
            rows.append((_time_loader(samples, transform, workers), *_time_steps(samples, transform)))
            advance(1)
    load, read, decode, resize = (images / statistics.median(column) for column in zip(*rows, strict=True))
    return DataRates(workers, load, read, decode, resize)


def _time_loader(samples: Sequence[Sample], transform: Transform, workers: int) -> float:
    size = max(1, BATCH_BYTES // (3 * transform.settings.image_size**2))
    batches = cut_batches(range(len(samples)), size=size)
    started = time.perf_counter()
    for batch in load_batches(samples, transform=transform, batches=batches, workers=workers):
        if batch.failures:
            raise DataError(f"{batch.failures[0].name}: {batch.failures[0].reason}")
    return time.perf_counter() - started


def _time_steps(samples: Sequence[Sample], transform: Transform) -> tuple[float, float, float]:
    read = decode = resize = 0.0
    with SampleFiles() as files:
        for sample in samples:
            start = time.perf_counter()
            file = files.read(sample)
            have_file = time.perf_counter()
            picture = decode_image(file, name=sample.name, box=sample.box)
            have_picture = time.perf_counter()
            transform(picture)
            end = time.perf_counter()
            read += have_file - start
            decode += have_picture - have_file
            resize += end - have_picture
    return read, decode, resize
