"""Damaged rows of a feature cache, computed again from their images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache import DamagedRow, FeatureCache, replace_rows, verify_cache
from birdnet_cli.core.data import Transform, load_batches
from birdnet_cli.core.errors import CacheError
from birdnet_cli.core.features.origin import find_samples, read_origin, rebuild_extractor
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["find_damage", "repair_cache"]


def repair_cache(
    path: Path, damaged: Sequence[DamagedRow], *, data: Path, weights: str = "auto", progress: Progress | None = None
) -> None:
    """Compute damaged rows again and put a repaired copy in the cache's place.

    Args:
        path: the cache.
        damaged: the rows that `find_damage` returned, at least 1.
        data: the data set that the cache was made from.
        weights: source of the backbone's weights: `auto`, `none` or a file.
        progress: follows the work.

    Raises:
        CacheError: the image of a damaged row is gone, cannot be read, or has other bytes than the extracted image.
        WeightsError: the weights cannot be found, or have another sha256 than the cache's.
    """
    progress = progress or SilentProgress()
    with FeatureCache.open(path) as cache:
        rows = sorted({damage.row for damage in damaged})
        samples = find_samples(cache, rows, data)
        origin = read_origin(cache)
        device = str(origin.settings.get("device", "auto"))
        extractor = rebuild_extractor(cache, list(cache.descriptors), weights=weights, device=device)
        transform = Transform(origin.transform)
        failed = cache.status[rows] != 0
        sha256 = cache.sha256[rows]
        dims = dict(cache.descriptors)
    fresh: dict[str, dict[int, NDArray[np.float32]]] = {name: {} for name in dims}
    batches = [[index] for index in range(len(samples))]
    with progress.stage("repair", total=len(rows), unit="images") as advance:
        for index, batch in enumerate(load_batches(samples, transform=transform, batches=batches, workers=0)):
            row = rows[index]
            if failed[index]:
                values = {name: np.zeros(dim, np.float32) for name, dim in dims.items()}
            elif batch.failures or batch.digests[0] != sha256[index].tobytes():
                reason = batch.failures[0].reason if batch.failures else "is another file than the one extracted"
                raise CacheError(f"{path}: row {row} cannot be repaired: {samples[index].location}: {reason}")
            else:
                values = {name: tensor[0].cpu().numpy() for name, tensor in extractor(batch.images).items()}
            for name, descriptor in values.items():
                fresh[name][row] = descriptor
            advance(1)
    replace_rows(path, {damage.descriptor: fresh[damage.descriptor] for damage in damaged})


def find_damage(path: Path, *, progress: Progress | None = None) -> list[DamagedRow]:
    """Compare every row of a cache with its CRC32 and return the damaged ones.

    Raises:
        CacheError: the file's structure or a small column is damaged: extract again.
    """
    with FeatureCache.open(path) as cache:
        total = cache.rows * len(cache.descriptors)
    with (progress or SilentProgress()).stage("verify", total=total, unit="rows") as advance:
        return verify_cache(path, on_rows=advance)
