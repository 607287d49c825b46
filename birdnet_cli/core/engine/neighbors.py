"""Images + feature cache -> the most similar cached images of each image, by the cosine of their descriptors."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.data import Sample, Transform, cut_batches, load_batches
from birdnet_cli.core.data.sources import expand_sources, list_samples
from birdnet_cli.core.errors import CacheError, UsageError
from birdnet_cli.core.features.cached_rows import choose_descriptor
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.features.origin import read_origin, rebuild_extractor
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["Neighbor", "NeighborSearch", "Neighborhood", "find_neighbors"]

WINDOW = 64  # images whose descriptors are held at a time; the cache is read once for each window
BATCH = 16


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A cached image.

    Attributes:
        row: its row in the cache.
        path: its path relative to the data set's root.
        label: its class name; empty if it is unlabelled.
        split: its split.
        similarity: cosine of the two descriptors, at most 1.
    """

    row: int
    path: str
    label: str
    split: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """The nearest cached images of an image.

    Attributes:
        path: path of the image.
        error: why the image could not be read, or None.
        neighbors: cached images by falling similarity, without those that have the same bytes.
        same: paths of cached images with the same bytes.
    """

    path: str
    error: str | None
    neighbors: tuple[Neighbor, ...]
    same: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborSearch:
    """Settings of a search for neighbours.

    Attributes:
        pooling: name of a descriptor of the cache; None chooses the only descriptor.
        k: neighbours per image, at least 1.
        split: the split of the cache that is searched; None searches all splits.
        weights: source of the backbone's weights: `auto`, `none` or a file; their sha256 must be the cache's.
        device: device of the backbone: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: `k` is below 1.
    """

    pooling: str | None = None
    k: int = 12
    split: str | None = "train"
    weights: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"expected 1 or more neighbours, got {self.k}")


def find_neighbors(
    sources: Iterable[str | os.PathLike[str]],
    cache_path: str | os.PathLike[str],
    *,
    search: NeighborSearch,
    stdin: Iterable[str] = (),
    progress: Progress | None = None,
) -> Iterator[Neighborhood]:
    """Yield the nearest cached images of each image, in the order of `sources`.

    Images go through the backbone, layer, transform and pooling that the cache records. Descriptors are streamed from
    the cache, once for every 64 images; memory does not grow with it.

    Args:
        sources: files, folders, globs, `.txt` lists, `.rec` files, or `-` (see `sources.expand_sources`).
        cache_path: a feature cache.
        search: settings of the search.
        stdin: lines that the source `-` reads.
        progress: follows the work.

    Raises:
        CacheError: not a feature cache, damaged, or without a good image in the split.
        UsageError: the cache has several descriptors, and `search` names none.
        UnknownNameError: the cache has no such descriptor.
        WeightsError: the weights cannot be found, or have another sha256.
        DataError: a folder or pattern without an image. An image that cannot be read is yielded with its error.
    """
    progress = progress or SilentProgress()
    with FeatureCache.open(Path(cache_path)) as cache:
        name = choose_descriptor(cache, search.pooling)
        searched = [search.split in (None, split) for split in cache.splits]
        rows = np.flatnonzero(np.array(searched) & (cache.status == STATUS_OK))
        if not len(rows):
            raise CacheError(f"{cache.path}: has no good image in {search.split or 'any split'}")
        origin = read_origin(cache)
        extractor = rebuild_extractor(cache, [name], weights=search.weights, device=search.device)
        if origin.bbox:
            progress.note(f"{cache.path}: its images were cropped to bounding boxes; crop yours as closely")
        transform = Transform(origin.transform)
        images = list_samples(expand_sources((os.fspath(source) for source in sources), stdin=stdin))
        while samples := list(islice(images, WINDOW)):
            described = _describe(samples, extractor, transform)
            similarities = _compare(described.queries, cache, name, rows, progress)
            for index, sample in enumerate(samples):
                if index in described.reasons:
                    yield Neighborhood(sample.location, described.reasons[index], (), ())
                    continue
                same = (cache.sha256 == described.digests[index]).all(axis=1)
                order = rows[np.argsort(-similarities[index], kind="stable")]
                scores = dict(zip(rows.tolist(), similarities[index].tolist(), strict=True))
                nearest = [row for row in order[: search.k + same.sum()].tolist() if not same[row]][: search.k]
                yield Neighborhood(
                    sample.location,
                    None,
                    tuple(_neighbor(cache, row, scores[row]) for row in nearest),
                    tuple(cache.names[row] for row in np.flatnonzero(same)),
                )


@dataclass(frozen=True)
class _Described:
    queries: Tensor  # [n, D], each of length 1; zeros for an unreadable image
    digests: NDArray[np.uint8]  # [n, 32]
    reasons: dict[int, str]  # index of an unreadable image -> why


def _describe(samples: Sequence[Sample], extractor: FeatureExtractor, transform: Transform) -> _Described:
    (pooling,) = extractor.poolings.values()
    queries = torch.zeros(len(samples), pooling.dim)
    digests = np.zeros((len(samples), 32), np.uint8)
    reasons: dict[int, str] = {}
    batches = cut_batches(range(len(samples)), size=BATCH)
    for batch in load_batches(samples, transform=transform, batches=batches, workers=0):
        for position, index in enumerate(batch.indices):
            digests[index] = np.frombuffer(batch.digests[position] or bytes(32), np.uint8)
        reasons |= {batch.indices[failure.position]: failure.reason for failure in batch.failures}
        if batch.good:
            (values,) = extractor(batch.images).values()
            good = [batch.indices[position] for position in batch.good]
            queries[good] = torch.nn.functional.normalize(values.float().cpu())
    return _Described(queries, digests, reasons)


def _compare(
    queries: Tensor, cache: FeatureCache, name: str, rows: NDArray[np.int64], progress: Progress
) -> NDArray[np.float32]:
    """Return the cosines [n, rows] of unit queries [n, D] and the cache's descriptors."""
    cosines = np.empty((len(queries), len(rows)), np.float32)
    with progress.stage("compare", total=len(rows), unit="images") as advance:
        for positions, block in cache.blocks(name, rows):
            values = torch.from_numpy(block)
            # A zero descriptor has no direction; its cosine becomes 0.
            lengths = torch.linalg.vector_norm(values, dim=1).clamp_min(torch.finfo(values.dtype).tiny)
            cosines[:, positions] = (queries @ values.mT / lengths).numpy()
            advance(len(positions))
    return cosines


def _neighbor(cache: FeatureCache, row: int, similarity: float) -> Neighbor:
    label = int(cache.labels[row])
    return Neighbor(row, cache.names[row], cache.classes[label] if label >= 0 else "", cache.splits[row], similarity)
