"""Read augmented training batches from any step of any epoch: samples -> uint8 [n, 3, S, S] with labels [n]."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.data.augmentation.augment import Augmentation, canvas_transform, cut_windows, draw_augmentations
from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.data.loading.labelled_batches import (
    DECODED_BYTES,
    LabelledBatch,
    label_tensor,
    load_labelled_batches,
)
from birdnet_cli.core.data.loading.order import epoch_batches, require_rank, shard_batch
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import AugmentSettings

__all__ = ["TrainingBatches"]


class TrainingBatches:
    """The batches of every epoch; each is a function of (seed, epoch, step), so resuming needs no other state.

    `world_size` processes together see the images of a single process with the same `batch_size`, with the same
    augmentation: rank r has the images r, r + world_size, ... of each batch.

    If the policy cuts windows out of constant canvases, and these fit into `memory`, they are decoded once, at the
    first epoch; otherwise worker processes read the files in every epoch.

    Args:
        samples: labelled training samples, the same in every process.
        transform: the augmentation.
        batch_size: images of all processes together, a multiple of `world_size`.
        seed: seed of the order and the augmentation, 0 or more.
        workers: number of processes that decode for this process; 0 decodes in this process.
        rank: rank of this process, 0 to `world_size` - 1.
        world_size: number of processes that train together.
        memory: bytes that decoded canvases may take.

    Raises:
        UsageError: there is no sample, a sample has no label, the rank is out of range, or the batch size is no
            multiple of `world_size`.
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
        memory: int = DECODED_BYTES,
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
        """Number of whole batches of an epoch; 1 if there are fewer samples than a batch has."""
        return max(1, len(self.samples) // self.batch_size)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[LabelledBatch]:
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
            yield from load_labelled_batches(self.samples, self.labels, augmentation, parts, workers=self.workers)
            return
        if self._decoded is None:
            self._decoded = DecodedImages(self.samples, transform=canvas, workers=self.workers)
        draws = draw_augmentations(n, seed=self.seed, epoch=epoch)
        for part in parts:
            yield self._cut(self._decoded, part, draws)

    def _cut(self, decoded: DecodedImages, part: list[int], draws: NDArray[np.float64]) -> LabelledBatch:
        canvases, good, failures = decoded.select(part)
        images = cut_windows(canvases, draws[good], settings=self.transform)
        return LabelledBatch(images, self.labels[good], good, failures)
