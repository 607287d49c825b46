"""Samples -> batches of uint8 [n, 3, S, S] in a given order, read by worker processes; a bad image is a row."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.image import decode_image
from birdnet_cli.core.data.loading.reader_processes import read_batches
from birdnet_cli.core.data.loading.sample_files import SampleFiles
from birdnet_cli.core.errors import ImageError

__all__ = ["NO_DIGEST", "Batch", "Failure", "ImageTransform", "IndexedTransform", "load_batches"]

NO_DIGEST = b"\0" * 32


class ImageTransform(Protocol):
    """What `load_batches` applies to each decoded image; it must be picklable and draw nothing at random."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor that it returns, such as (3, S, S)."""

    def __call__(self, image: Image.Image) -> Tensor:
        """Return a Tensor of `shape`, uint8 if it is pixels."""


@runtime_checkable
class IndexedTransform(Protocol):
    """A transform that differs from sample to sample, as a function of the index alone; it must be picklable."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensors that come out, such as (3, S, S)."""

    def at(self, index: int) -> Callable[[Image.Image], Tensor]:
        """Return what turns the image of this index into a Tensor of `shape`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be used.

    Attributes:
        position: its place in the batch's `indices`.
        name: the sample's name.
        reason: why, without the name.
    """

    position: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One batch, in the order asked for.

    Attributes:
        indices: the samples asked for, as indices into the samples.
        images: uint8 Tensor[n_good, *shape], those that could be decoded.
        good: n_good positions within `indices`, ascending.
        failures: the other positions, ascending.
        digests: per index the SHA-256 of the file's bytes; `NO_DIGEST` where these could not be read.
    """

    indices: list[int]
    images: Tensor
    good: list[int]
    failures: list[Failure]
    digests: list[bytes]


def load_batches(
    samples: Sequence[Sample],
    *,
    transform: ImageTransform | IndexedTransform,
    batches: Sequence[Sequence[int]],
    workers: int,
) -> Generator[Batch, None, None]:
    """Read, decode and transform images batch by batch.

    What is yielded depends on the arguments and the files alone, never on `workers` or on how processes are started.
    At most two batches per worker are prepared ahead. No global random state is read or changed.

    Args:
        samples: what `batches` refers to.
        transform: decoded image -> uint8 tensor; an `IndexedTransform` knows which sample the image is of.
        batches: one list of sample indices per batch.
        workers: processes that read ahead; 0 reads in this one.

    Yields:
        One `Batch` per entry of `batches`, in order. Closing the generator ends the processes.

    Raises:
        UsageError, FbnError: as `read_batches`.
    """
    return read_batches(_BatchReader(samples, transform), batches=batches, workers=workers)


class _BatchReader(Dataset[Batch]):
    def __init__(self, samples: Sequence[Sample], transform: ImageTransform | IndexedTransform) -> None:
        self.samples = samples
        # Asked once: asking a protocol takes longer than hashing a small file.
        self.transform = transform if isinstance(transform, IndexedTransform) else _SameForAll(transform)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        images: list[Tensor] = []
        good: list[int] = []
        failures: list[Failure] = []
        digests: list[bytes] = []
        with SampleFiles() as files:
            for position, index in enumerate(indices):
                sample = self.samples[index]
                digests.append(NO_DIGEST)
                try:
                    data = files.read(sample)
                    digests[position] = hashlib.sha256(data).digest()
                    image = decode_image(data, name=sample.name, box=sample.box)
                    images.append(self.transform.at(index)(image))
                    good.append(position)
                except ImageError as error:
                    failures.append(Failure(position, sample.name, error.reason))
        stacked = torch.stack(images) if images else torch.empty(0, *self.transform.shape, dtype=torch.uint8)
        if get_worker_info() is not None:
            # A full /dev/shm raises here; in the queue's thread it would lose the batch and leave the caller waiting.
            stacked.share_memory_()  # type: ignore[no-untyped-call]
        return Batch(list(indices), stacked, good, failures, digests)


class _SameForAll:
    def __init__(self, transform: ImageTransform) -> None:
        self.transform = transform

    @property
    def shape(self) -> tuple[int, ...]:
        return self.transform.shape

    def at(self, index: int) -> ImageTransform:  # noqa: ARG002 - as IndexedTransform has it
        return self.transform
