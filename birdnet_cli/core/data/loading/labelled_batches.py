"""Read labelled samples in batches: samples and lists of indices -> uint8 [n, 3, S, S] with labels [n]."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from birdnet_cli.core.data.augmentation.augment import Augmentation
from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.loading.loader import Failure, load_batches
from birdnet_cli.core.data.transforms import Transform
from birdnet_cli.core.errors import UsageError

__all__ = ["DECODED_BYTES", "LabelledBatch", "label_tensor", "load_labelled_batches"]

# How much memory decoded images may take by default.
DECODED_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBatch:
    """The part of a batch that one process works on.

    Attributes:
        images: uint8 Tensor[n, 3, S, S], the images that could be decoded.
        labels: int64 Tensor[n].
        indices: n indices into the samples.
        failures: the samples of this part that could not be decoded; `position` is the sample's place in the part.
    """

    images: Tensor
    labels: Tensor
    indices: list[int]
    failures: list[Failure]


def load_labelled_batches(
    samples: Sequence[Sample],
    labels: Tensor,
    transform: Transform | Augmentation,
    parts: Sequence[Sequence[int]],
    *,
    workers: int,
) -> Iterator[LabelledBatch]:
    """Yield the images and labels of each part, in order.

    Args:
        samples: the samples that `parts` indexes.
        labels: int64 Tensor[N], the labels of all samples.
        transform: decoded image -> uint8 [3, S, S]; see `load_batches`.
        parts: lists of sample indices.
        workers: number of processes that read ahead; 0 reads in this process.

    Raises:
        FbnError: a worker process died.
    """
    for batch in load_batches(samples, transform=transform, batches=parts, workers=workers):
        good = [batch.indices[position] for position in batch.good]
        yield LabelledBatch(batch.images, labels[good], good, batch.failures)


def label_tensor(samples: Sequence[Sample]) -> Tensor:
    """Return the labels of samples, int64 [N].

    Raises:
        UsageError: there is no sample, or a sample has no label.
    """
    if not samples:
        raise UsageError("expected at least one sample, got none")
    labels = torch.tensor([sample.label for sample in samples])  # [N]
    if labels.min() < 0:
        raise UsageError("expected labelled samples, got a sample without a label")
    return labels
