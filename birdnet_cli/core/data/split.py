"""Divide a data set into stratified splits, and write them as a CSV that `open_dataset` reads."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.data.dataset import SPLITS, ImageDataset
from birdnet_cli.core.errors import DataError, UnknownNameError, UsageError

__all__ = ["assign_splits", "write_csv"]


def assign_splits(labels: Sequence[int], *, fractions: Mapping[str, float], seed: int) -> list[str]:
    """Draw a split for each sample, class by class.

    Each class is divided by the largest-remainder method, after which every split gets at least one of its samples. A
    class with fewer samples than there are splits gives its samples to train first, then test, then val.

    Args:
        labels: class index of each sample.
        fractions: split -> share, above 0 and summing to 1; train must have a share.
        seed: seed of the generator that shuffles each class, 0 or more.

    Returns:
        The split of each sample, in the order of `labels`.

    Raises:
        UnknownNameError: a split's name is not train, val or test.
        UsageError: train has no share, or shares are not positive or do not sum to 1.
    """
    for split in fractions:
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
    given = ", ".join(f"{split} {share:g}" for split, share in fractions.items())
    if "train" not in fractions:
        raise UsageError(f"expected a share for train, from which the class list comes; got {given or 'none'}")
    if not all(share > 0 for share in fractions.values()) or not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise UsageError(f"expected positive shares that sum to 1; got {given}")
    generator = np.random.default_rng(seed)
    result = [""] * len(labels)
    members = np.asarray(labels, dtype=np.int64)
    for label in np.unique(members):
        order = generator.permutation(np.flatnonzero(members == label))
        counts = _divide(len(order), fractions)
        names = [split for split in SPLITS if split in counts for _ in range(counts[split])]
        for index, split in zip(order.tolist(), names, strict=True):
            result[index] = split
    return result


def write_csv(dataset: ImageDataset, splits: Sequence[str], out: Path) -> None:
    """Write `path,label,split` rows that `open_dataset(out)` reads as the same images and labels.

    The file is written completely or not at all. Bytes of names that are not UTF-8 are written unchanged.

    Args:
        dataset: labelled samples.
        splits: the split of each sample.
        out: the CSV, in the data set's root or a folder above it, because paths in a CSV are relative to its folder.

    Raises:
        UsageError: `out` lies in another folder.
        DataError: a class name begins or ends with a blank, which readers of the CSV strip.
        OSError: the file cannot be written.
    """
    root, folder = dataset.root.resolve(), out.parent.resolve()
    if not root.is_relative_to(folder):
        raise UsageError(f"{out}: the CSV's paths are relative to it, so it must lie in {root} or a folder above")
    padded = [name for name in dataset.classes if name != name.strip()]
    if padded:
        raise DataError(f"{dataset.root}: the class name {padded[0]!r} begins or ends with a blank; rename it first")
    prefix = root.relative_to(folder)
    with (
        replace_atomically(out) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "split"])
        for sample, split in zip(dataset.samples, splits, strict=True):
            writer.writerow([(prefix / sample.name).as_posix(), dataset.classes[sample.label], split])


def _divide(total: int, fractions: Mapping[str, float]) -> dict[str, int]:
    if total < len(fractions):
        served = [split for split in ("train", "test", "val") if split in fractions][:total]
        return dict.fromkeys(served, 1)
    counts = {split: math.floor(total * share + 1e-9) for split, share in fractions.items()}
    by_remainder = sorted(fractions, key=lambda split: (counts[split] - total * fractions[split], SPLITS.index(split)))
    for split in by_remainder[: total - sum(counts.values())]:
        counts[split] += 1
    for split in fractions:
        if counts[split] == 0:
            counts[max(counts, key=lambda name: counts[name])] -= 1
            counts[split] = 1
    return counts
