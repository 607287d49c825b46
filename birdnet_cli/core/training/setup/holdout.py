"""A data set's training split -> the images that are trained on and those that a training is judged by."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_cli.core.data import ImageDataset, Sample, assign_splits
from birdnet_cli.core.errors import CheckpointError
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["Division", "divide", "require_same_data"]


@dataclass(frozen=True)
class Division:
    """The two parts.

    Attributes:
        train: trained on.
        val: the data set's own validation split, else what was held out of its training split; may be empty.
        carved: whether `val` was held out.
    """

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    carved: bool

    def fingerprint(self, classes: Sequence[str]) -> str:
        """Return a SHA-256 over class names and each sample's name, size, label and part.

        Modification times are left out, so that a run may go on where its images were copied to.
        """
        digest = hashlib.sha256(json.dumps(list(classes)).encode())
        for part, samples in (("train", self.train), ("val", self.val)):
            for sample in samples:
                digest.update(json.dumps((part, sample.name, sample.size, sample.label)).encode())
        return digest.hexdigest()


def divide(dataset: ImageDataset, settings: FinetuneSettings) -> Division:
    """Divide the training split, class by class; the test split is never looked at.

    Args:
        dataset: with a training split.
        settings: `val_fraction` and `seed`.
    """
    train = dataset.subset("train").samples
    own = tuple(sample for sample in dataset.samples if sample.split == "val")
    if own or not settings.val_fraction:
        return Division(train, own, carved=False)
    fractions = {"train": 1 - settings.val_fraction, "val": settings.val_fraction}
    parts = assign_splits([sample.label for sample in train], fractions=fractions, seed=settings.seed)
    chosen = [
        tuple(sample for sample, part in zip(train, parts, strict=True) if part == wanted)
        for wanted in ("train", "val")
    ]
    return Division(chosen[0], chosen[1], carved=True)


def require_same_data(facts: Mapping[str, Any], *, data: str, owner: Path) -> None:
    """Refuse to go on with other images.

    Args:
        facts: of the checkpoint.
        data: fingerprint of the data at hand.
        owner: the run directory, for the error.

    Raises:
        CheckpointError: names, sizes, labels or the division of the images differ.
    """
    if facts["data"] != data:
        raise CheckpointError(
            f"{owner}: was trained on other images: their names, sizes, labels or splits differ from those at hand; "
            "give the same data, or choose another folder"
        )
