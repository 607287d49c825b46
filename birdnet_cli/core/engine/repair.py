"""Damaged rows of a feature cache, computed again from their images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.backbones import Preprocessing, create_backbone
from birdnet_cli.core.cache import DamagedRow, FeatureCache, replace_rows
from birdnet_cli.core.data import Sample, Transform, load_batches, open_dataset
from birdnet_cli.core.engine.describer import Describer, build_poolings, resolve_device
from birdnet_cli.core.engine.progress import Progress, SilentProgress
from birdnet_cli.core.engine.weights import find_recorded_weights
from birdnet_cli.core.errors import CacheError
from birdnet_cli.core.poolings import parse_pooling
from birdnet_cli.core.recipe import ExtractSettings, TransformSettings

__all__ = ["repair_cache"]


def repair_cache(
    path: Path, damaged: Sequence[DamagedRow], *, data: Path, weights: str = "auto", progress: Progress | None = None
) -> None:
    """Compute damaged rows again and put a repaired copy in the cache's place.

    Args:
        path: the cache.
        damaged: what `find_damage` returned, not empty.
        data: the data set that the cache was made from.
        weights: where its backbone weights are.
        progress: follows the work.

    Raises:
        CacheError: an image of a damaged row is gone, cannot be read, or is not the one that was extracted.
        WeightsError: the weights are not those of the cache.
    """
    progress = progress or SilentProgress()
    with FeatureCache.open(path) as cache:
        rows = sorted({one.row for one in damaged})
        samples = _find_samples(path, cache, rows, data)
        describer = _rebuild_describer(cache, weights)
        transform = Transform(TransformSettings.model_validate(cache.fingerprint["transform"]))
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
                values = {name: tensor[0].cpu().numpy() for name, tensor in describer(batch.images).items()}
            for name, descriptor in values.items():
                fresh[name][row] = descriptor
            advance(1)
    replace_rows(path, {one.descriptor: fresh[one.descriptor] for one in damaged})


def _find_samples(path: Path, cache: FeatureCache, rows: Sequence[int], data: Path) -> list[Sample]:
    dataset = open_dataset(data, bbox=bool(cache.provenance["bbox"]))
    by_name = {sample.name: sample for sample in dataset.samples}
    gone = [cache.names[row] for row in rows if cache.names[row] not in by_name]
    if gone:
        raise CacheError(f"{path}: {data} has no image {gone[0]}; give the data set that was extracted")
    return [by_name[cache.names[row]] for row in rows]


def _rebuild_describer(cache: FeatureCache, weights: str) -> Describer:
    fingerprint = cache.fingerprint
    settings = ExtractSettings.model_validate(cache.provenance["settings"])
    found = find_recorded_weights(fingerprint, weights, owner=cache.path)
    preprocessing = Preprocessing.from_json(fingerprint["preprocessing"])
    backbone = create_backbone(
        fingerprint["backbone"], layer=fingerprint["layer"], weights=found, preprocessing=preprocessing
    )
    poolings = build_poolings({name: parse_pooling(name) for name in cache.descriptors}, backbone)
    for name, pooling in poolings.items():
        pooling.load_state_dict({key: torch.from_numpy(value) for key, value in cache.state(name).items()})
    return Describer(
        backbone,
        poolings,
        device=resolve_device(settings.device),
        precision=fingerprint["precision"],
        flip=fingerprint["flip"],
    )
