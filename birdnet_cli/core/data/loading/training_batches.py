"""Samples -> augmented training batches uint8 [n, 3, S, S] with labels, exact from any step, shared among processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from birdnet_cli.core.data.augmentation.augment import Augmentation, canvas_transform, cut_windows, draw_augmentations
from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.data.loading.loader import Failure, load_batches
from birdnet_cli.core.data.loading.order import epoch_batches, require_rank, shard_batch
from birdnet_cli.core.data.transforms import Transform
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import AugmentSettings

__all__ = ["MEMORY", "TrainingBatch", "TrainingBatches", "label_tensor", "read_parts"]

MEMORY = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatch:
    """One process's part of one batch.

    Attributes:
        images: uint8 Tensor[n, 3, S, S], those that could be decoded.
        labels: int64 Tensor[n].
        indices: n indices into the samples.
        failures: the samples of this part that could not be decoded; their `position` is the place in the part.
    """

    images: Tensor
    labels: Tensor
    indices: list[int]
    failures: list[Failure]


class TrainingBatches:
    """Every epoch's batches, each a function of (seed, epoch, step) alone: resuming needs no other state.

    `world_size` processes together see what one process with the same `batch_size` sees, in the same augmentation:
    rank r has every `world_size`-th image of each batch, from the r-th on.

    Where the policy cuts its windows out of canvases that stay the same, and these fit into `memory`, they are
    decoded once, at the first epoch; otherwise worker processes read the files in every epoch.

    Args:
        samples: labelled training samples, the same in every process.
        transform: the augmentation.
        batch_size: images of all processes together, a multiple of `world_size`.
        seed: of the order and the augmentation.
        workers: processes that decode, for each process; 0 decodes in this one.
        rank: of this process.
        world_size: number of processes.
        memory: bytes that decoded canvases may take.

    Raises:
        UsageError: no sample, an unlabelled one, a rank out of range, or a batch that cannot be shared evenly.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        transform: AugmentSettings,
        batch_size: int,
        seed: int,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
        memory: int = MEMORY,
    ) -> None:
        require_rank(rank, world_size)
        if batch_size < 1 or batch_size % world_size:
            raise UsageError(
                f"expected a batch that {world_size} processes can share evenly, got {batch_size}: give a multiple"
            )
        self.samples = samples
        self.transform = transform
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers
        self.rank = rank
        self.world_size = world_size
        self.memory = memory
        self.labels = label_tensor(samples)
        self._decoded: DecodedImages | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch: whole ones only, unless all samples together are less than one."""
        return max(1, len(self.samples) // self.batch_size)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[TrainingBatch]:
        """Yield this process's part of each batch of an epoch from `start_step` on.

        Closing the iterator ends the worker processes.

        Args:
            epoch: 0 or more.
            start_step: 0 to `steps_per_epoch`.

        Raises:
            FbnError: a worker process died.
        """
        n = len(self.samples)
        parts = [
            shard_batch(batch, rank=self.rank, world_size=self.world_size).tolist()
            for batch in epoch_batches(
                n, batch_size=self.batch_size, seed=self.seed, epoch=epoch, start_step=start_step
            )
        ]
        canvas = canvas_transform(self.transform)
        if canvas is None or DecodedImages.bytes_needed(n, canvas) > self.memory:
            augmentation = Augmentation(self.transform, seed=self.seed, epoch=epoch)
            yield from read_parts(self.samples, self.labels, augmentation, parts, workers=self.workers)
            return
        if self._decoded is None:
            self._decoded = DecodedImages(self.samples, transform=canvas, workers=self.workers)
        draws = draw_augmentations(n, seed=self.seed, epoch=epoch)
        for part in parts:
            yield self._cut(self._decoded, part, draws)

    def _cut(self, decoded: DecodedImages, part: list[int], draws: NDArray[np.float64]) -> TrainingBatch:
        canvases, good, failures = decoded.select(part)
        images = cut_windows(canvases, draws[good], settings=self.transform)
        return TrainingBatch(images, self.labels[good], good, failures)


def read_parts(
    samples: Sequence[Sample],
    labels: Tensor,
    transform: Transform | Augmentation,
    parts: list[list[int]],
    *,
    workers: int,
) -> Iterator[TrainingBatch]:
    """Yield what `load_batches` reads of each part, with its labels.

    Args:
        samples: what `parts` refer to.
        labels: int64 Tensor[n] of all samples.
        transform: see `load_batches`.
        parts: lists of indices.
        workers: see `load_batches`.

    Raises:
        FbnError: a worker process died.
    """
    for batch in load_batches(samples, transform=transform, batches=parts, workers=workers):
        good = [batch.indices[position] for position in batch.good]
        yield TrainingBatch(batch.images, labels[good], good, batch.failures)


def label_tensor(samples: Sequence[Sample]) -> Tensor:
    """Return the labels of samples, int64 [n].

    Raises:
        UsageError: no sample, or an unlabelled one.
    """
    if not samples:
        raise UsageError("expected at least one sample, got none")
    labels = torch.tensor([sample.label for sample in samples])  # [n]
    if labels.min() < 0:
        raise UsageError("expected labelled samples, got one without a label")
    return labels
