"""The exact head beside scikit-learn's, at one C on the same descriptors: seconds, objective, predictions."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.bench.sklearn_heads import RIVALS, TOLERANCE, create_rival, fit_rival
from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.features.cached_rows import choose_descriptor, needs_standardizing
from birdnet_cli.core.heads import fit_head
from birdnet_cli.core.heads.solver import create_loss, measure_moments
from birdnet_cli.core.heads.solver.row_source import centred_chunks
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["HeadComparison", "Subset", "bench_head"]

# C times the mean squared norm: the middle of the values that train-head tries.
STRENGTH = {"softmax": 10**2.5, "svm": 10**0.5}


@dataclass(frozen=True, slots=True)
class Subset:
    """The part of a cache that a measurement uses; None is all.

    Attributes:
        images: number of training images, evenly spaced.
        classes: number of classes, from the first.
        dims: number of values of the descriptor, evenly spaced.
    """

    images: int | None = None
    classes: int | None = None
    dims: int | None = None


@dataclass(frozen=True, slots=True)
class HeadComparison:
    """The solutions of the same problem by fbn and by scikit-learn.

    Attributes:
        head: `svm` or `softmax`.
        rival: scikit-learn's class.
        tolerance: tolerance of scikit-learn's solver.
        C: weight of the loss.
        images, dims, classes: size of the problem.
        seconds: ours, from descriptors in memory to W and b, kernel matrix included; median of the repeats.
        rival_seconds: seconds of scikit-learn's `fit` on the same descriptors, centred and in float64 already; median
            of the repeats.
        objective: ||W||^2 / 2 + C sum_i loss with a free intercept, of our W and b, in float64.
        rival_objective: the same objective of scikit-learn's solution.
        tested: images of the test split.
        agreement: fraction of the tested images to which both give the same class; None without test images.
        converged: scikit-learn reached its tolerance.
    """

    head: str
    rival: str
    tolerance: float
    C: float
    images: int
    dims: int
    classes: int
    seconds: float
    rival_seconds: float
    objective: float
    rival_objective: float
    tested: int
    agreement: float | None
    converged: bool

    @property
    def speedup(self) -> float:
        """scikit-learn's seconds over ours."""
        return self.rival_seconds / self.seconds

    @property
    def difference(self) -> float:
        """(our objective - scikit-learn's) / scikit-learn's; negative where ours is lower."""
        return (self.objective - self.rival_objective) / self.rival_objective

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return asdict(self) | {"speedup": self.speedup, "difference": self.difference}


class _Rows:
    """A `core.heads.RowSource` of descriptors in memory."""

    run = 1

    def __init__(self, array: NDArray[np.float32]) -> None:
        self.rows, self.dim = array.shape
        self._array = array

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        yield 0, self._array

    def reordered(self, order: NDArray[np.int64]) -> "_Rows":
        return _Rows(self._array[order])


def bench_head(
    cache: Path,
    *,
    pooling: str | None = None,
    head: str = "svm",
    C: float | None = None,
    subset: Subset = Subset(),
    tolerance: float = TOLERANCE,
    repeats: int = 1,
    progress: Progress | None = None,
) -> HeadComparison:
    """Fit both in turn, `repeats` times, on descriptors that are centred as `train_head` centres them.

    Args:
        cache: a feature cache.
        pooling: name of the descriptor; None where the cache has only one.
        head: `svm` or `softmax`.
        C: weight of the loss; None is the middle of the values that `train_head` tries.
        subset: the part of the cache to measure on; the default is all.
        tolerance: tolerance of scikit-learn's solver.
        repeats: number of fits; the medians of their seconds are returned.
        progress: follows the work.

    Raises:
        UsageError: scikit-learn is not installed, or no descriptor is named where there are several.
        DataError: the cache has fewer images, classes or dimensions than asked for.
    """
    progress = progress or SilentProgress()
    # A missing scikit-learn is reported before the descriptors are read.
    create_rival(head, C=1.0, num_classes=2, mean_squared_norm=1.0)
    with FeatureCache.open(cache) as opened:
        name = choose_descriptor(opened, pooling)
        K = len(_spread("classes", subset.classes, len(opened.classes)))
        usable = (opened.status == STATUS_OK) & (opened.labels >= 0) & (opened.labels < K)
        splits = np.array(opened.splits)
        train, test = (np.flatnonzero(usable & (splits == split)) for split in ("train", "test"))
        train = train[_spread("images", subset.images, len(train))]
        columns = _spread("dims", subset.dims, opened.descriptors[name])
        raw = np.concatenate([block[:, columns] for _, block in opened.blocks(name, train)])
        moments = measure_moments(_Rows(raw), standardize=needs_standardizing(name))
        rows = np.concatenate([chunk.numpy().copy() for _, chunk in centred_chunks(_Rows(raw), moments)])
        del raw
        y = opened.labels[train]
        mean_squared_norm = float(np.einsum("nd,nd->", rows, rows, dtype=np.float64)) / len(rows)
        strength = C or STRENGTH[head] / mean_squared_norm
        settings = HeadSettings(head=head, C=strength, calibrate=False, solver="exact")  # type: ignore[arg-type]
        wide = rows.astype(np.float64)
        seconds, rival_seconds = [], []
        with progress.stage("bench", total=2 * repeats, unit="fits") as advance:
            for _ in range(repeats):
                started = time.perf_counter()
                ours = fit_head(_Rows(rows), y, num_classes=K, settings=settings, standardize=False)
                seconds.append(time.perf_counter() - started)
                advance(1)
                model = create_rival(
                    head, C=strength, num_classes=K, mean_squared_norm=mean_squared_norm, tolerance=tolerance
                )
                started = time.perf_counter()
                theirs = fit_rival(model, wide, y)
                rival_seconds.append(time.perf_counter() - started)
                advance(1)
        solutions = [(ours.weight.double().numpy(), ours.bias.double().numpy()), theirs[:2]]
        values = [_objective(head, wide, y, W, b, C=strength) for W, b in solutions]
        equal = 0
        for _, block in opened.blocks(name, test):
            scaled = (block[:, columns] - moments.mean) * (1.0 if moments.scale is None else moments.scale)
            predicted = [(scaled @ W.T + b).argmax(axis=1) for W, b in solutions]
            equal += int((predicted[0] == predicted[1]).sum())
    return HeadComparison(
        head=head,
        rival=RIVALS[head],
        tolerance=tolerance,
        C=strength,
        images=len(train),
        dims=len(columns),
        classes=K,
        seconds=statistics.median(seconds),
        rival_seconds=statistics.median(rival_seconds),
        objective=values[0],
        rival_objective=values[1],
        tested=len(test),
        agreement=equal / len(test) if len(test) else None,
        converged=theirs[2],
    )


def _spread(option: str, wanted: int | None, there: int) -> NDArray[np.int64]:
    """Return `wanted` evenly spaced indices below `there`; None is all."""
    if wanted is not None and wanted > there:
        raise DataError(f"the measurement wants {wanted} {option}, the cache has {there} (--{option})")
    return np.linspace(0, there - 1, there if wanted is None else wanted).round().astype(np.int64)


def _objective(
    head: str,
    rows: NDArray[np.float64],
    labels: NDArray[np.int64],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    *,
    C: float,
) -> float:
    ones = torch.ones(len(labels), dtype=torch.float64)
    loss = create_loss(head, torch.from_numpy(labels), num_classes=len(bias), weights=ones)
    return float((weight**2).sum() / 2 + C * loss.value(torch.from_numpy(rows @ weight.T + bias)).item())
