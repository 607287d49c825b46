"""The training split of a data set -> training images and validation images."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_cli.core.data import ImageDataset, Sample, assign_splits
from birdnet_cli.core.errors import CheckpointError
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["ImageSplit", "require_same_data", "split_images"]


@dataclass(frozen=True)
class ImageSplit:
    """The images of a training.

    Attributes:
        train: training images.
        val: validation images: the data set's own validation split, else images held out of its training split; may
            be empty.
        held_out: whether `val` was held out of the training split.
    """

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    held_out: bool

    def fingerprint(self, classes: Sequence[str]) -> str:
        """Return a SHA-256 over class names and each sample's name, size, label and part.

        Modification times are left out, so that a run can be resumed with copies of its images.
        """
        digest = hashlib.sha256(json.dumps(list(classes)).encode())
        for part, samples in (("train", self.train), ("val", self.val)):
            for sample in samples:
                digest.update(json.dumps((part, sample.name, sample.size, sample.label)).encode())
        return digest.hexdigest()


def split_images(dataset: ImageDataset, settings: FinetuneSettings) -> ImageSplit:
    """Return the training and validation images; the test split is not used.

    Args:
        dataset: data set with a training split.
        settings: `val_fraction`, the share of each class that is held out where the data set has no validation split,
            and `seed`, which decides on the images.
    """
    train = dataset.subset("train").samples
    val = tuple(sample for sample in dataset.samples if sample.split == "val")
    if val or not settings.val_fraction:
        return ImageSplit(train, val, held_out=False)
    fractions = {"train": 1 - settings.val_fraction, "val": settings.val_fraction}
    parts = assign_splits([sample.label for sample in train], fractions=fractions, seed=settings.seed)
    chosen = [
        tuple(sample for sample, part in zip(train, parts, strict=True) if part == wanted)
        for wanted in ("train", "val")
    ]
    return ImageSplit(chosen[0], chosen[1], held_out=True)


def require_same_data(facts: Mapping[str, Any], *, data: str, owner: Path) -> None:
    """Refuse to resume a training with other images.

    Args:
        facts: facts of the checkpoint.
        data: fingerprint of the images.
        owner: the run directory, for the error.

    Raises:
        CheckpointError: names, sizes, labels or split of the images differ from those of the checkpoint.
    """
    if facts["data"] != data:
        raise CheckpointError(
            f"{owner}: was trained on other images: their names, sizes, labels or splits differ from those at hand; "
            "give the same data, or choose another folder"
        )
