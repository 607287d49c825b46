"""A model on a labelled split - of images or of a feature cache - -> its figures."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import ImageDataset, load_batches, open_dataset
from birdnet_cli.core.engine.metrics import Evaluation, Tally
from birdnet_cli.core.engine.predict import Model
from birdnet_cli.core.engine.progress import Progress, SilentProgress
from birdnet_cli.core.errors import CacheError, DataError
from birdnet_cli.core.poolings import pooling_name

__all__ = ["evaluate"]


def evaluate(
    data: str | os.PathLike[str],
    model: Model,
    *,
    split: str = "test",
    data_format: str = "auto",
    bbox: bool = False,
    batch_size: int = 16,
    workers: int = 2,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on one split.

    Args:
        data: a data set of images, or a feature cache (`.h5`) made with the model's own settings.
        model: from `load_model`.
        split: `train`, `val` or `test`.
        data_format: layout of the images: `auto`, `folder`, `cub`, `csv` or `rec`.
        bbox: crop to the data set's bounding boxes.
        batch_size: images per forward pass.
        workers: decoder processes.
        progress: follows the work.

    Raises:
        DataError: the split is empty, or has a class that the model does not know.
        CacheError: the cache's features are not the model's.
    """
    progress = progress or SilentProgress()
    source = Path(data)
    tally = Tally(model.classes)
    if source.suffix == ".h5":
        batches = _cached_logits(source, model, split, tally, progress)
    else:
        dataset = open_dataset(source, format=data_format, bbox=bbox).subset(split)
        batches = _image_logits(dataset, model, split, tally, progress, batch_size=batch_size, workers=workers)
    for logits, labels in batches:
        tally.add(logits, labels)
    return tally.evaluation()


def _image_logits(
    dataset: ImageDataset, model: Model, split: str, tally: Tally, progress: Progress, *, batch_size: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    samples = dataset.samples
    labels = _labels_of_model([sample.label for sample in samples], dataset.classes, model, split)
    batches = [range(start, min(start + batch_size, len(samples))) for start in range(0, len(samples), batch_size)]
    with progress.stage("evaluate", total=len(samples), unit="images") as advance:
        for batch in load_batches(samples, transform=model.transform, batches=batches, workers=workers):
            tally.failed.extend(f"{failure.name}: {failure.reason}" for failure in batch.failures)
            if batch.good:
                yield model.logits(batch.images), labels[[batch.indices[position] for position in batch.good]]
            advance(len(batch.indices))


def _cached_logits(
    path: Path, model: Model, split: str, tally: Tally, progress: Progress
) -> Iterator[tuple[Tensor, Tensor]]:
    with FeatureCache.open(path) as cache:
        if model.description.pooling is None:
            raise CacheError(f"{path}: the model takes whole feature maps, and caches hold none: give it images")
        name = pooling_name(model.description.pooling)
        _require_same_features(path, cache, model)
        wanted = np.flatnonzero([one == split for one in cache.splits])
        readable = wanted[cache.status[wanted] == 0]
        tally.failed.extend(cache.names[row] for row in wanted if cache.status[row] != 0)
        labels = _labels_of_model(cache.labels[readable].tolist(), cache.classes, model, split)
        with progress.stage("evaluate", total=len(readable), unit="images") as advance:
            for positions, block in cache.blocks(name, readable):
                with torch.inference_mode():
                    logits = model.head(torch.from_numpy(block).to(model.describer.device))
                yield logits, labels[torch.as_tensor(positions)]
                advance(len(block))


def _labels_of_model(labels: list[int], classes: tuple[str, ...], model: Model, split: str) -> Tensor:
    """Translate a data set's labels into the model's, by class name."""
    if not labels:
        raise DataError(f"the split '{split}' has no image; fbn data stats lists the splits that there are")
    index = {name: position for position, name in enumerate(model.classes)}
    unknown = sorted({classes[label] if label >= 0 else "(no label)" for label in labels} - index.keys())
    if unknown:
        raise DataError(f"classes that the model does not know: {', '.join(unknown[:5])} ({len(unknown)} in all)")
    return torch.tensor([index[classes[label]] for label in labels])


def _require_same_features(path: Path, cache: FeatureCache, model: Model) -> None:
    description = model.description
    expected = {
        "backbone": description.backbone["backbone"],
        "layer": description.backbone["layer"],
        "weights_sha256": description.backbone["weights_sha256"],
        "preprocessing": description.backbone["preprocessing"],
        "transform": description.transform.model_dump(),
        "flip": description.flip,
    }
    differing = [key for key, value in expected.items() if cache.fingerprint.get(key) != value]
    if differing:
        raise CacheError(f"{path}: its features differ from the model's in: {', '.join(differing)}")
