"""Descriptors [N, D] -> which images nearly repeat an earlier one, and how close each is to its own class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from birdnet_cli.core.heads import RowSource
from birdnet_cli.core.heads.solver import Moments, measure_moments

__all__ = ["Likeness", "compare_images"]

# Of the rows that are compared with all others at a time, and of their similarities.
SLAB_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Likeness:
    """How the images resemble each other.

    Attributes:
        earlier: of each image the most similar one before it, int64 [N]; -1 for the first.
        similarity: the cosine with that one, float32 [N].
        across: the most similar one before it of another split, int64 [N]; -1 where there is none.
        across_similarity: the cosine with that one, float32 [N].
        closeness: mean cosine with the nearest images of the own class, float32 [N]; NaN where there is no other.
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

    The mean descriptor, which all images share, is taken off: cosines are then about 0 between strangers, whatever the
    pooling. The source is read once for every slab of rows that memory holds; time grows with N^2 D.

    Args:
        source: all rows.
        labels: integers [N]; -1 is a class of its own for nobody.
        splits: [N] names.
        standardize: divide each feature by its standard deviation first.
        nearest: images of the own class that closeness is averaged over.
        progress: called with the finished fraction.

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
    """Yield the rows centred, scaled and of length 1; a row that equals the mean stays 0."""
    for start, block in source.blocks():
        rows = block - moments.mean
        if moments.scale is not None:
            rows *= moments.scale
        yield start, torch.nn.functional.normalize(torch.from_numpy(rows))
