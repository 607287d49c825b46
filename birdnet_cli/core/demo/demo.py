"""Run the main job on a small data set: images -> feature cache -> heads -> predictions and a contact sheet."""

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
from birdnet_cli.core.report.pictures.contact_sheet import PredictedImage, draw_contact_sheet

__all__ = ["DemoReport", "DemoRow", "run_demo"]

POOLINGS = ("max", "avg", "bilinear")
IMAGES_PER_CLASS = {"train": 24, "test": 12}
PAINTED_SIZE = 256  # pixels
SHEET_CELLS = 40


@dataclass(frozen=True)
class DemoRow:
    """The result of a descriptor.

    Attributes:
        pooling: name of the pooling.
        dim: D of the descriptor.
        evaluation: the model's evaluation on the test split.
        seconds: time that solving the head took.
    """

    pooling: str
    dim: int
    evaluation: Evaluation
    seconds: float


@dataclass(frozen=True)
class DemoReport:
    """The results of the demo and the files that it wrote.

    Attributes:
        folder: the folder of the files.
        files: path -> description of the file.
        rows: a row for each descriptor.
        train_images: number of images that the heads were solved on.
        paint_seconds: time of painting; None for the user's own images.
        extract_seconds: time of the extraction.
        prediction: the best model's prediction for the first image of the contact sheet.
        truth: the true class of that image.
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
        """Return commands that a user may run next, on images of their own."""
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

    A second run in the same folder reuses the painted birds and the feature cache.

    Args:
        folder: the folder that all files are written to.
        data: a data set with a train and a test split; None paints birds.
        weights: backbone weights: `auto`, `none` or a file.
        seed: seed of the painted birds, 0 or more.
        overwrite: replace a feature cache that was made with other settings.
        progress: reports the stages.

    Raises:
        DataError: `data` has no test split.
        CacheError: the folder holds a feature cache of other settings, and `overwrite` is False.
        WeightsError: no weights for VGG16 were found.
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
    images = [
        PredictedImage(
            decode_image(sample.path), classes[sample.label], prediction.top[0].label, prediction.top[0].prob
        )
        for sample, prediction in zip(samples, predictions, strict=True)
        if prediction.status == "ok"
    ]
    evaluation = row.evaluation
    title = f"{row.pooling} pooling names {evaluation.top1:.1%} of {evaluation.n} test images correctly"
    return draw_contact_sheet(images, columns=8, title=title, subtitle=f"{len(images)} of them, evenly spaced")
