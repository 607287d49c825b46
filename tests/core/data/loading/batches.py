"""Labelled samples, samples of which an image is lost, and the content of batches as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from birdnet_cli.core.data import Batch, LabelledBatch, Sample

__all__ = ["content_of", "label_in_turn", "labelled_content_of", "lose_image"]


def label_in_turn(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples with the labels 0, 1, 2, 0, 1, 2, ..."""
    return [replace(sample, label=index % 3) for index, sample in enumerate(samples)]


def lose_image(samples: Sequence[Sample], index: int) -> list[Sample]:
    """Return the samples, of which the image at `index` cannot be read."""
    changed = list(samples)
    changed[index] = replace(changed[index], path=Path("absent.jpg"))
    return changed


def content_of(batches: Iterable[Batch]) -> list[object]:
    """Return all that the batches hold, as values that can be compared."""
    return [(batch.indices, batch.good, batch.failures, batch.digests, batch.images.tolist()) for batch in batches]


def labelled_content_of(batches: Iterable[LabelledBatch]) -> list[object]:
    """Return all that the batches hold, as values that can be compared."""
    return [(batch.images.tolist(), batch.labels.tolist(), batch.indices, batch.failures) for batch in batches]
