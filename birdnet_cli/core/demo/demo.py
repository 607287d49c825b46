"""The whole main job, small enough to watch: data -> descriptors -> heads -> predictions, and a picture of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from birdnet_cli.core.data import Sample, decode_image, open_dataset
from birdnet_cli.core.demo.painted_birds import SPECIES, write_painted_birds
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.evaluation import Evaluation
from birdnet_cli.core.model import Prediction, load_model
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.recipe import ExtractSettings, HeadSettings
from birdnet_cli.core.report.pictures.contact_sheet import Cell, draw_contact_sheet

__all__ = ["DemoReport", "DemoRow", "run_demo"]

POOLINGS = ("max", "avg", "bilinear")
IMAGES_PER_CLASS = {"train": 24, "test": 12}
PAINTED_SIZE = 256  # pixels
SHEET_CELLS = 40


@dataclass(frozen=True)
class DemoRow:
    """One descriptor's line in the table; `seconds` is the time that solving its head took."""

    pooling: str
    dim: int
    evaluation: Evaluation
    seconds: float


@dataclass(frozen=True)
class DemoReport:
    """Everything that the demo did.

    Attributes:
        folder: where the files are.
        files: name -> what it is.
        rows: one per descriptor.
        train_images: images that the heads were solved on.
        paint_seconds: time of painting; None for the user's own images.
        extract_seconds: time of the one pass over the backbone.
        prediction: the best model on one test image.
        truth: that image's class.
    """

    folder: Path
    files: dict[str, str]
    rows: tuple[DemoRow, ...]
    train_images: int
    paint_seconds: float | None
    extract_seconds: float
    prediction: Prediction
    truth: str

    def next_commands(self) -> tuple[str, ...]:
        """Return commands that a user may go on with."""
        return (
            "fbn data check PICTURES",
            "fbn data split PICTURES -o PICTURES/split.csv",
            "fbn extract PICTURES/split.csv -o features.h5 --pooling avg,bilinear",
            "fbn train-head features.h5 -o model.safetensors --pooling bilinear",
            "fbn evaluate features.h5 -m model.safetensors",
            "fbn predict PHOTO.jpg -m model.safetensors",
        )


def run_demo(
    folder: Path,
    *,
    data: Path | None = None,
    weights: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DemoReport:
    """Run extract, train-head, evaluate and predict on painted birds, or on a data set of the user's.

    Args:
        folder: everything is written here.
        data: a data set with a train and a test split; None paints one.
        weights: backbone weights: `auto` or a file.
        seed: seed of the painted birds.
        overwrite: replace a feature cache that was made with other settings.
        progress: follows the work.

    Run twice, it paints and extracts only what is not there yet.

    Raises:
        DataError: `data` has no test split.
        WeightsError: no weights for VGG16 are to be found.
    """
    progress = progress or SilentProgress()
    folder.mkdir(parents=True, exist_ok=True)
    paint_seconds = None
    files: dict[str, str] = {}
    if data is None:
        data = folder / f"birds-{seed}"
        started = time.monotonic()
        if not data.exists():
            total = len(SPECIES) * sum(IMAGES_PER_CLASS.values())
            with progress.stage("paint birds", total=total, unit="pictures") as advance:
                write_painted_birds(
                    data, images_per_class=IMAGES_PER_CLASS, seed=seed, size=PAINTED_SIZE, advance=advance
                )
        paint_seconds = time.monotonic() - started
        files[str(data)] = "the painted birds, as an image folder with train and test splits"
    dataset = open_dataset(data)
    test = dataset.subset("test").samples

    cache = folder / f"{data.stem}.h5"
    settings = ExtractSettings(pooling=POOLINGS, weights=weights)
    extraction = extract(data, cache, settings=settings, overwrite=overwrite, progress=progress)
    files[str(cache)] = "the feature cache: three descriptors of every image"

    rows, models = [], []
    for pooling in POOLINGS:
        path = folder / f"{data.stem}-{pooling}.safetensors"
        started = time.monotonic()
        train_head(
            cache, path, pooling=pooling, settings=HeadSettings(), weights=weights, overwrite=True, progress=progress
        )
        seconds = time.monotonic() - started
        model = load_model(path)
        rows.append(DemoRow(pooling, extraction.descriptors[pooling], evaluate(cache, model), seconds))
        models.append(model)
        files[str(path)] = f"the {pooling} model, complete: copy it anywhere"
    best = max(range(len(rows)), key=lambda index: rows[index].evaluation.top1)

    count = min(SHEET_CELLS, len(test))
    shown = [test[index * len(test) // count] for index in range(count)]
    predictions = list(predict([sample.path for sample in shown], models[best], k=3, progress=progress))
    sheet = folder / f"{data.stem}-{rows[best].pooling}.png"
    _draw_sheet(shown, predictions, dataset.classes, rows[best]).save(sheet)
    files[str(sheet)] = "test images with their true and predicted names"
    return DemoReport(
        folder=folder,
        files=files,
        rows=tuple(rows),
        train_images=dataset.split_sizes()["train"],
        paint_seconds=paint_seconds,
        extract_seconds=extraction.seconds,
        prediction=predictions[0],
        truth=dataset.classes[shown[0].label],
    )


def _draw_sheet(
    samples: Sequence[Sample], predictions: Sequence[Prediction], classes: tuple[str, ...], row: DemoRow
) -> Image.Image:
    cells = [
        Cell(decode_image(sample.path), classes[sample.label], prediction.top[0].label, prediction.top[0].prob)
        for sample, prediction in zip(samples, predictions, strict=True)
        if prediction.status == "ok"
    ]
    figures = row.evaluation
    title = f"{row.pooling} pooling names {figures.top1:.1%} of {figures.n} test images right"
    return draw_contact_sheet(cells, columns=8, title=title, subtitle=f"{len(cells)} of them, evenly spaced")
