"""Read every image of a data set once and report faults that harm training: `ImageDataset` -> `DataReport`."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from birdnet_cli.core.data.dataset import ImageDataset, enumerate_some
from birdnet_cli.core.data.loading.loader import NO_DIGEST, load_batches
from birdnet_cli.core.data.loading.order import cut_batches

__all__ = ["DataReport", "check_dataset", "count_images"]

BATCH = 64


@dataclass(frozen=True)
class DataReport:
    """The findings of `check_dataset`.

    Attributes:
        counts: per split, the number of listed images of each class, in the order of the class list.
        failures: name and reason of each image that cannot be used, in the data set's order.
        repeated: groups of images of the same split whose files are identical, by name.
        leaked: groups of images of different splits whose files are identical, by name; a model may have learned such
            a test image by heart.
        scarce: class name -> number of usable training images, for classes with 0 or 1; declared classes without any
            image count, too.
        missing: split -> classes without an image in it, for splits that lack some.
        width: smallest and largest width of the usable images in pixels, upright; None if no image is usable.
        height: smallest and largest height, likewise.
    """

    counts: dict[str, tuple[int, ...]]
    failures: tuple[tuple[str, str], ...]
    repeated: tuple[tuple[str, ...], ...]
    leaked: tuple[tuple[str, ...], ...]
    scarce: dict[str, int]
    missing: dict[str, tuple[str, ...]]
    width: tuple[int, int] | None
    height: tuple[int, int] | None

    def problems(self) -> list[str]:
        """Return a line for each fault; an empty list if the data set is sound."""
        lines = [f"{name}: {reason}" for name, reason in self.failures]
        lines += [f"the same file in several splits: {enumerate_some(names)}" for names in self.leaked]
        lines += [f"the same file more than once: {enumerate_some(names)}" for names in self.repeated]
        lines += [f"class {name}: {count} usable training images" for name, count in self.scarce.items()]
        lines += [f"classes missing from {split}: {enumerate_some(names)}" for split, names in self.missing.items()]
        if sum(map(any, zip(*self.counts.values(), strict=True))) == 1:
            lines.append("only one class: training needs at least two")
        return lines


def count_images(dataset: ImageDataset) -> dict[str, tuple[int, ...]]:
    """Return split -> number of images of each class, in the order of the class list; empty splits are left out."""
    counts = Counter((sample.split, sample.label) for sample in dataset.samples)
    return {
        split: tuple(counts[split, label] for label in range(len(dataset.classes))) for split in dataset.split_sizes()
    }


def check_dataset(dataset: ImageDataset, *, workers: int) -> DataReport:
    """Decode every image, hash every file, and count.

    Args:
        dataset: a data set with all its splits.
        workers: number of processes that read; 0 reads in this process.

    Raises:
        FbnError: a worker process died.
    """
    samples = dataset.samples
    batches = cut_batches(range(len(samples)), size=BATCH)
    failures: list[tuple[str, str]] = []
    same: defaultdict[bytes, list[int]] = defaultdict(list)
    usable: Counter[int] = Counter()
    sizes: list[list[int]] = []
    for batch in load_batches(samples, transform=_Measure(), batches=batches, workers=workers):
        failures += [(failure.name, failure.reason) for failure in batch.failures]
        for index, digest in zip(batch.indices, batch.digests, strict=True):
            if digest != NO_DIGEST:
                same[digest].append(index)
        good = [samples[batch.indices[position]] for position in batch.good]
        usable.update(sample.label for sample in good if sample.split == "train")
        sizes += batch.images.tolist()
    copies = [indices for indices in same.values() if len(indices) > 1]
    counts = count_images(dataset)
    scarce = {name: usable[label] for label, name in enumerate(dataset.classes) if usable[label] < 2}
    return DataReport(
        counts=counts,
        failures=tuple(failures),
        repeated=tuple(_names(dataset, group) for group in copies if len(_splits(dataset, group)) == 1),
        leaked=tuple(_names(dataset, group) for group in copies if len(_splits(dataset, group)) > 1),
        scarce=scarce | dict.fromkeys(dataset.empty_classes, 0),
        missing={
            split: names
            for split, per_class in counts.items()
            if (names := tuple(name for name, n in zip(dataset.classes, per_class, strict=True) if not n))
        },
        width=(min(size[0] for size in sizes), max(size[0] for size in sizes)) if sizes else None,
        height=(min(size[1] for size in sizes), max(size[1] for size in sizes)) if sizes else None,
    )


class _Measure:
    """A transform that gives width and height instead of pixels."""

    shape = (2,)

    def __call__(self, image: Image.Image) -> Tensor:
        return torch.tensor(image.size)  # [2]


def _names(dataset: ImageDataset, indices: list[int]) -> tuple[str, ...]:
    return tuple(dataset.samples[index].name for index in indices)


def _splits(dataset: ImageDataset, indices: list[int]) -> set[str]:
    return {dataset.samples[index].split for index in indices}
