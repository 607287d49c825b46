"""Read evaluation batches, every sample once, in order: samples -> uint8 [n, 3, S, S] with labels [n]."""

from collections.abc import Iterator, Sequence

from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.loading.decoded_images import DecodedImages
from birdnet_cli.core.data.loading.labelled_batches import (
    DECODED_BYTES,
    LabelledBatch,
    label_tensor,
    load_labelled_batches,
)
from birdnet_cli.core.data.loading.order import cut_batches, require_rank, shard_indices
from birdnet_cli.core.data.transforms import Transform
from birdnet_cli.core.recipe import TransformSettings

__all__ = ["EvaluationBatches"]


class EvaluationBatches:
    """Batches of all samples, in order, shared among processes without padding; iterable any number of times.

    Images that fit into `memory` are decoded once, at the first iteration.

    Args:
        samples: labelled samples, the same in every process.
        transform: the resizing at evaluation.
        batch_size: images in each batch of this process, 1 or more.
        workers: number of processes that decode; 0 decodes in this process.
        rank: rank of this process, 0 to `world_size` - 1; it takes the samples rank, rank + world_size, ...
        world_size: number of processes.
        memory: bytes that decoded images may take.

    Raises:
        UsageError: there is no sample, a sample has no label, the rank is out of range, or the batch size is below 1.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        transform: TransformSettings,
        batch_size: int,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
        memory: int = DECODED_BYTES,
    ) -> None:
        require_rank(rank, world_size)
        self.samples = samples
        self.transform = Transform(TransformSettings(image_size=transform.image_size, resize=transform.resize))
        self.workers = workers
        self.labels = label_tensor(samples)
        mine = shard_indices(len(samples), rank=rank, world_size=world_size)
        self._parts = cut_batches(mine, size=batch_size)
        self._keep = DecodedImages.bytes_needed(len(mine), self.transform) <= memory
        self._kept: list[LabelledBatch] = []

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[LabelledBatch]:
        if self._kept:
            yield from self._kept
            return
        read: list[LabelledBatch] = []
        for batch in load_labelled_batches(
            self.samples, self.labels, self.transform, self._parts, workers=self.workers
        ):
            if self._keep:
                read.append(batch)
            yield batch
        self._kept = read
