"""Decode images once and keep them in memory, for epochs over small images: samples -> uint8 [N, 3, C, C]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.loading.loader import Failure, load_batches
from birdnet_cli.core.data.loading.order import cut_batches
from birdnet_cli.core.data.transforms import Transform

__all__ = ["DecodedImages"]

BATCH_BYTES = 4 * 2**20  # every batch costs its process about 3 ms, whatever its size


class DecodedImages:
    """The canvases of all samples, in their order.

    Args:
        samples: the N samples to decode.
        transform: decoded image -> uint8 [3, C, C].
        workers: number of processes that decode; 0 decodes in this process.

    Attributes:
        images: uint8 Tensor[N, 3, C, C]; the row of a sample that could not be decoded is zero.
        failures: index -> reason, for samples that could not be decoded.

    Raises:
        FbnError: a worker process died.
    """

    def __init__(self, samples: Sequence[Sample], *, transform: Transform, workers: int) -> None:
        self.samples = samples
        self.images = torch.zeros(len(samples), *transform.shape, dtype=torch.uint8)
        self.failures: dict[int, str] = {}
        size = max(1, BATCH_BYTES // self.bytes_needed(1, transform))
        batches = cut_batches(range(len(samples)), size=size)
        for batch in load_batches(samples, transform=transform, batches=batches, workers=workers):
            self.images[[batch.indices[position] for position in batch.good]] = batch.images
            self.failures |= {batch.indices[failure.position]: failure.reason for failure in batch.failures}

    @staticmethod
    def bytes_needed(n: int, transform: Transform) -> int:
        """Return the size in bytes of `images` for n samples."""
        C = transform.settings.image_size
        return n * 3 * C * C

    def select(self, indices: Sequence[int]) -> tuple[Tensor, list[int], list[Failure]]:
        """Return the canvases [n_good, 3, C, C] and indices of the decoded samples, and the failures of the others."""
        good = [index for index in indices if index not in self.failures]
        failures = [
            Failure(position, self.samples[index].name, self.failures[index])
            for position, index in enumerate(indices)
            if index in self.failures
        ]
        return self.images[good], good, failures
