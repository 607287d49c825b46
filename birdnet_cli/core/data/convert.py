"""Convert a data set to RecordIO: write its images as `.rec`, `.idx`, `.lst` and `classes.txt`."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch.utils.data import Dataset

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.data.dataset import ImageDataset, Sample
from birdnet_cli.core.data.image import MAX_SIDE, decode_image
from birdnet_cli.core.data.list_file import read_list
from birdnet_cli.core.data.loading.order import cut_batches
from birdnet_cli.core.data.loading.reader_processes import read_batches
from birdnet_cli.core.data.loading.sample_files import SampleFiles
from birdnet_cli.core.data.recordio.dataset import CLASS_LIST
from birdnet_cli.core.data.recordio.record import ImageRecord
from birdnet_cli.core.data.recordio.writer import write_records
from birdnet_cli.core.errors import DataError, ImageError, UsageError

__all__ = ["ConvertReport", "convert_dataset"]

BATCH = 16
QUALITY = 95


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """The result of a conversion.

    Attributes:
        written: `.rec` file -> number of its records.
        failures: `name: reason` of each image that was left out.
    """

    written: dict[Path, int]
    failures: tuple[str, ...]


def convert_dataset(
    dataset: ImageDataset,
    output: Path,
    *,
    resize: int | None = None,
    quality: int | None = None,
    workers: int = 0,
    skip_failures: bool = False,
    overwrite: bool = False,
    advance: Callable[[int], object] | None = None,
) -> ConvertReport:
    """Write a data set's images in its order, each with the index of its class as the label.

    Without `resize`, `quality` and bounding box, the bytes of each image file are kept, after a check that they can be
    decoded. Otherwise the upright image is scaled up or down with Pillow's antialiased bilinear filter and encoded as
    JPEG. The files get their names only when all of them are written.

    Args:
        dataset: labelled samples.
        output: `NAME.rec` for samples of a single split, or a folder, which gets a `.rec` file named after each split.
        resize: length of the shorter side, in pixels.
        quality: JPEG quality, 1 to 95; None is 95 if images are encoded.
        workers: number of processes that read and encode; 0 does it in this process.
        skip_failures: leave out images that cannot be read, instead of stopping at the first of them.
        overwrite: replace existing `.rec` files.
        advance: called with the number of images done since the last call.

    Raises:
        UsageError: an output file exists, the samples of several splits would go into one file, or the folder holds
            the `classes.txt` of another data set.
        DataError: an image cannot be read, no image can be read, or the lists cannot hold a name.
        OSError: the files cannot be written.
    """
    files = _plan(dataset, output, overwrite=overwrite)
    folder = next(iter(files.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    written: dict[Path, int] = {}
    with ExitStack() as stack:
        for split, path in files.items():
            samples = dataset.subset(split).samples
            writer = stack.enter_context(write_records(path))
            lines: list[str] = []
            for sample, image in zip(samples, _encode(samples, resize, quality, workers), strict=True):
                if isinstance(image, bytes):
                    writer.write(ImageRecord((float(sample.label),), len(lines), 0, image))
                    lines.append(f"{len(lines)}\t{sample.label:f}\t{sample.name}\n")
                else:
                    failures.append(f"{sample.name}: {image.reason}")
                    if not skip_failures:
                        raise DataError(
                            f"{failures[0]}; repair or remove it, or leave such images out with --on-error skip"
                        )
                if advance is not None:
                    advance(1)
            _write(stack, path.with_suffix(".lst"), lines)
            written[path] = len(lines)
        _write(stack, folder / CLASS_LIST, [f"{name}\n" for name in dataset.classes])
    return ConvertReport(written, tuple(failures))


class _Encoder(Dataset[list["bytes | ImageError"]]):
    """Lists of sample indices -> the bytes to store for each sample, or its error."""

    def __init__(self, samples: Sequence[Sample], resize: int | None, quality: int | None) -> None:
        self.samples = samples
        self.resize = resize
        self.quality = quality

    def __getitem__(self, indices: Sequence[int]) -> list[bytes | ImageError]:
        with SampleFiles() as files:
            return [self._encode(files, self.samples[index]) for index in indices]

    def _encode(self, files: SampleFiles, sample: Sample) -> bytes | ImageError:
        try:
            data = files.read(sample)
            image = decode_image(data, name=sample.name, box=sample.box)
            if self.resize is None and self.quality is None and sample.box is None:
                return data
            if self.resize is not None:
                image = _scale(image, self.resize, name=sample.name)
        except ImageError as error:
            return error
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY if self.quality is None else self.quality)
        return buffer.getvalue()


def _encode(
    samples: Sequence[Sample], resize: int | None, quality: int | None, workers: int
) -> Iterator[bytes | ImageError]:
    batches = cut_batches(range(len(samples)), size=BATCH)
    for batch in read_batches(_Encoder(samples, resize, quality), batches=batches, workers=workers):
        yield from batch


def _scale(image: Image.Image, shorter: int, *, name: str) -> Image.Image:
    W, H = image.size
    width, height = (max(1, round(side * shorter / min(W, H))) for side in (W, H))
    if max(width, height) > MAX_SIDE:
        raise ImageError(name, f"{W}x{H} would become {width}x{height}; a side has at most {MAX_SIDE:,} pixels")
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=None)


def _plan(dataset: ImageDataset, output: Path, *, overwrite: bool) -> dict[str, Path]:
    splits = list(dataset.split_sizes())
    single = output.suffix.lower() == ".rec"
    if single and len(splits) > 1:
        raise UsageError(
            f"{output}: a single file cannot hold the splits {', '.join(splits)}; choose a split, or give a folder, "
            "which gets a file for each split"
        )
    files = {split: output if single else output / f"{split}.rec" for split in splits}
    present = [path for path in files.values() if path.exists()]
    if present and not overwrite:
        raise UsageError(f"{present[0]}: exists already; choose another name or give --overwrite")
    listing = next(iter(files.values())).parent / CLASS_LIST
    if listing.exists() and tuple(read_list(listing).splitlines()) != dataset.classes:
        raise UsageError(
            f"{listing}: the class list of the .rec files beside it names other classes; choose another folder"
        )
    for text in (*dataset.classes, *(sample.name for sample in dataset.samples)):
        if text != text.strip() or any(sign in text for sign in "\t\r\n"):
            raise DataError(
                f"{dataset.root}: the name {text!r} holds a tab, a line break or a blank at an end; rename it"
            )
    return files


def _write(stack: ExitStack, path: Path, lines: list[str]) -> None:
    temporary = stack.enter_context(replace_atomically(path))
    temporary.write_text("".join(lines), encoding="utf-8", errors="surrogateescape", newline="\n")
