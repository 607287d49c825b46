"""Descriptors [N, D] -> each image's most similar earlier image, and its closeness to its own class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from birdnet_cli.core.heads import RowSource
from birdnet_cli.core.heads.solver import Moments, measure_moments

__all__ = ["Likeness", "compare_images"]

# Memory of a slab, the rows that are compared with all others at a time, and likewise of their similarities.
SLAB_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Likeness:
    """Similarities of N images, as cosines of their centred descriptors, -1..1.

    Attributes:
        earlier: int64 [N], row of the most similar earlier image; -1 for the first image.
        similarity: float32 [N], cosine with that image; 0 for the first image.
        across: int64 [N], row of the most similar earlier image of another split; -1 if there is none.
        across_similarity: float32 [N], cosine with that image; 0 if there is none.
        closeness: float32 [N], mean cosine with the nearest images of the same class; NaN if the class has no other.
    """

    earlier: NDArray[np.int64]
    similarity: NDArray[np.float32]
    across: NDArray[np.int64]
    across_similarity: NDArray[np.float32]
    closeness: NDArray[np.float32]


def compare_images(
    source: RowSource,
    labels: NDArray[np.int64],
    splits: Sequence[str],
    *,
    standardize: bool,
    nearest: int = 5,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Likeness:
    """Compare each image with every other by the cosine of their centred descriptors.

    The mean descriptor is subtracted first, so that the cosine of unrelated images is about 0 for every pooling. The
    source is read once for every slab of rows; time grows with N^2 D.

    Args:
        source: descriptors [N, D].
        labels: int64 [N], class indices; images of label -1 have no closeness.
        splits: N names of splits.
        standardize: divide each feature by its standard deviation first.
        nearest: number of nearest images of the same class that closeness is averaged over.
        progress: called with the finished fraction, 0..1.

    Raises:
        NumericsError: a descriptor is not finite.
    """
    N, D = source.rows, source.dim
    moments = measure_moments(source, standardize=standardize)
    slab_rows = max(1, SLAB_BYTES // (4 * max(N, D)))
    earlier, across = np.full(N, -1, np.int64), np.full(N, -1, np.int64)
    similarity, across_similarity = np.zeros(N, np.float32), np.zeros(N, np.float32)
    parts = np.unique(splits, return_inverse=True)[1]
    closeness = np.full(N, np.nan, np.float32)
    for first in range(0, N, slab_rows):
        rows = np.arange(first, min(first + slab_rows, N))
        slab = torch.cat([unit.clone() for _, unit in _units(source.reordered(rows), moments)])
        cosines = torch.empty(len(rows), N)
        for start, unit in _units(source, moments):
            torch.mm(slab, unit.mT, out=cosines[:, start : start + len(unit)])
            progress((first + len(rows) * (start + len(unit)) / N) / N)
        for row in rows.tolist():
            own = cosines[row - first]
            before = np.arange(row)
            for found, cosine, rows_before in (
                (earlier, similarity, before),
                (across, across_similarity, before[parts[:row] != parts[row]]),
            ):
                if len(rows_before):
                    best = own[torch.from_numpy(rows_before)].max(0)
                    found[row], cosine[row] = rows_before[int(best.indices)], float(best.values)
            mates = np.flatnonzero((labels == labels[row]) & (np.arange(N) != row))
            if labels[row] >= 0 and len(mates):
                closeness[row] = float(own[torch.from_numpy(mates)].topk(min(nearest, len(mates))).values.mean())
    return Likeness(earlier, similarity, across, across_similarity, closeness)


def _units(source: RowSource, moments: Moments) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, rows [n, D]) centred, scaled and of length 1; a row that equals the mean stays 0."""
    for start, block in source.blocks():
        rows = block - moments.mean
        if moments.scale is not None:
            rows *= moments.scale
        yield start, torch.nn.functional.normalize(torch.from_numpy(rows))
