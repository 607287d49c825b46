"""A model + a labelled split of images or of a feature cache -> the outcome of every image, and the evaluation."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.data import ImageDataset, Sample, cut_batches, load_batches, open_dataset, read_image_file
from birdnet_cli.core.errors import CacheError, DataError, ImageError
from birdnet_cli.core.evaluation import Copy, Evaluation, OutcomeCollector, find_split_overlap
from birdnet_cli.core.model import Model
from birdnet_cli.core.model.facts import describe_model
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.progress import Progress, SilentProgress

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
    """Measure a model on one split, and look for its images in the other splits.

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
        UsageError: `batch_size` is below 1.
        DataError: the split is empty, or has a class that the model lacks.
        CacheError: the cache's features are not the model's.
    """
    progress = progress or SilentProgress()
    source = Path(data)
    collector = OutcomeCollector(len(model.classes))
    failed: list[str] = []
    others: Iterable[tuple[bytes, Copy]]
    if source.suffix == ".h5":
        with FeatureCache.open(source) as cache:
            batches = _cached_logits(source, cache, model, split, failed, progress)
            _collect(batches, model, collector)
            others = list(_other_rows(cache, split))
    else:
        dataset = open_dataset(source, format=data_format, bbox=bbox)
        batches = _image_logits(dataset, model, split, failed, progress, batch_size=batch_size, workers=workers)
        _collect(batches, model, collector)
        others = _other_files(dataset, split, progress)
    outcomes = collector.outcomes()
    return Evaluation(
        classes=model.classes,
        outcomes=outcomes,
        failed=tuple(failed),
        duplicates=find_split_overlap(outcomes, others),
        data=source.name,
        split=split,
        model=describe_model(model),
    )


@dataclass(frozen=True, eq=False)
class _Scored:
    """A batch: logits [n, K], true labels int64 [n], names [n], digests uint8 [n, 32]."""

    logits: Tensor
    labels: Tensor
    names: Sequence[str]
    digests: NDArray[np.uint8]


def _collect(batches: Iterable[_Scored], model: Model, collector: OutcomeCollector) -> None:
    for batch in batches:
        # In float64: an underflow in float32 would cap the loss of a confidently wrong prediction.
        probabilities = model.head.probabilities(batch.logits.double())
        collector.add(probabilities, batch.labels, names=batch.names, digests=batch.digests)


def _image_logits(
    dataset: ImageDataset,
    model: Model,
    split: str,
    failed: list[str],
    progress: Progress,
    *,
    batch_size: int,
    workers: int,
) -> Iterator[_Scored]:
    samples = dataset.subset(split).samples
    labels = _labels_of_model([sample.label for sample in samples], dataset.classes, model, split)
    batches = cut_batches(range(len(samples)), size=batch_size)
    with progress.stage("evaluate", total=len(samples), unit="images") as advance:
        for batch in load_batches(samples, transform=model.transform, batches=batches, workers=workers):
            failed.extend(f"{failure.name}: {failure.reason}" for failure in batch.failures)
            if batch.good:
                rows = [batch.indices[position] for position in batch.good]
                digests = b"".join(batch.digests[position] for position in batch.good)
                yield _Scored(
                    model.logits(batch.images),
                    labels[rows],
                    [samples[row].name for row in rows],
                    np.frombuffer(digests, np.uint8).reshape(-1, 32),
                )
            advance(len(batch.indices))


def _cached_logits(
    path: Path, cache: FeatureCache, model: Model, split: str, failed: list[str], progress: Progress
) -> Iterator[_Scored]:
    if model.description.pooling is None:
        raise CacheError(f"{path}: the model takes whole feature maps, and caches hold none: give it images")
    name = pooling_name(model.description.pooling)
    _require_same_features(path, cache, model)
    wanted = np.flatnonzero([row_split == split for row_split in cache.splits])
    readable = wanted[cache.status[wanted] == STATUS_OK]
    failed.extend(f"{cache.names[row]}: {cache.errors[row]}" for row in wanted if cache.status[row] != STATUS_OK)
    labels = _labels_of_model(cache.labels[readable].tolist(), cache.classes, model, split)
    with progress.stage("evaluate", total=len(readable), unit="images") as advance:
        for positions, block in cache.blocks(name, readable):
            with torch.inference_mode():
                logits = model.head(torch.from_numpy(block).to(model.extractor.device))
            rows = readable[positions]
            yield _Scored(
                logits, labels[torch.as_tensor(positions)], [cache.names[row] for row in rows], cache.sha256[rows]
            )
            advance(len(block))


def _other_rows(cache: FeatureCache, split: str) -> Iterator[tuple[bytes, Copy]]:
    for row, (name, other) in enumerate(zip(cache.names, cache.splits, strict=True)):
        if other != split and cache.status[row] == STATUS_OK:
            yield cache.sha256[row].tobytes(), Copy(other, name)


def _other_files(dataset: ImageDataset, split: str, progress: Progress) -> Iterator[tuple[bytes, Copy]]:
    """Hash those files of the other splits whose length occurs in this split; no other file can be a copy."""
    sizes = {sample.size for sample in dataset.samples if sample.split == split}
    suspects = [sample for sample in dataset.samples if sample.split != split and sample.size in sizes]
    unread: list[Sample] = []
    with progress.stage("look for copies in other splits", total=len(suspects), unit="files") as advance:
        for sample in suspects:
            try:
                data = read_image_file(sample.path, size=sample.size, mtime_ns=sample.mtime_ns)
                yield hashlib.sha256(data).digest(), Copy(sample.split, sample.name)
            except ImageError:
                unread.append(sample)
            advance(1)
    if unread:
        progress.note(
            f"{len(unread)} files of other splits could not be read to look for copies, such as {unread[0].name}"
        )


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
