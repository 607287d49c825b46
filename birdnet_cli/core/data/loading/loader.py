"""Read batches of images in a given order, with worker processes: samples -> uint8 [n, 3, S, S] and failures."""

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
    """The function that `load_batches` applies to each decoded image; it must be picklable and deterministic."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, such as (3, S, S)."""

    def __call__(self, image: Image.Image) -> Tensor:
        """Return a tensor of `shape`; pixels are uint8."""


@runtime_checkable
class IndexedTransform(Protocol):
    """A transform that depends on the index of the sample; it must be picklable."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the results, such as (3, S, S)."""

    def at(self, index: int) -> Callable[[Image.Image], Tensor]:
        """Return the function from the image of this index to a tensor of `shape`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be used.

    Attributes:
        position: position of the sample in the batch's `indices`.
        name: the sample's name.
        reason: the reason, without the name.
    """

    position: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch of images.

    Attributes:
        indices: indices of the requested samples, in the requested order.
        images: uint8 Tensor[n_good, *shape], the images that could be decoded.
        good: positions in `indices` of the n_good decoded images, ascending.
        failures: the images at the other positions, ascending.
        digests: SHA-256 of each requested image file's bytes; `NO_DIGEST` if they could not be read.
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

    The batches depend on the arguments and the files alone, and not on `workers` or the start method of processes. At
    most two batches are prepared ahead for each worker. No global random state is read or changed.

    Args:
        samples: the samples that `batches` indexes.
        transform: decoded image -> uint8 tensor; an `IndexedTransform` may depend on the sample's index.
        batches: lists of sample indices.
        workers: number of processes that read ahead; 0 reads in this process.

    Yields:
        A `Batch` for each entry of `batches`, in order. Closing the generator ends the processes.

    Raises:
        UsageError, FbnError: as `read_batches`.
    """
    return read_batches(_BatchReader(samples, transform), batches=batches, workers=workers)


class _BatchReader(Dataset[Batch]):
    def __init__(self, samples: Sequence[Sample], transform: ImageTransform | IndexedTransform) -> None:
        self.samples = samples
        # Checked once, because isinstance of a protocol takes longer than hashing a small file.
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
            # Shared here, so that a full /dev/shm raises here; an error in the queue's thread would lose the batch and
            # leave the caller waiting.
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
