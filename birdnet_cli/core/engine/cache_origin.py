"""What a feature cache was made with: its images and its descriptors, to be read and computed again."""

from collections.abc import Sequence
from pathlib import Path

import torch

from birdnet_cli.core.backbones import Preprocessing, create_backbone
from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.engine.describer import Describer, build_poolings, resolve_device
from birdnet_cli.core.engine.weights import find_recorded_weights
from birdnet_cli.core.errors import CacheError
from birdnet_cli.core.poolings import parse_pooling

__all__ = ["find_samples", "rebuild_describer"]


def find_samples(cache: FeatureCache, rows: Sequence[int], data: Path) -> list[Sample]:
    """Return the images behind some rows of a cache.

    Args:
        cache: the cache.
        rows: of it.
        data: the data set that it was made from.

    Raises:
        CacheError: the data set has no image of that name.
    """
    dataset = open_dataset(data, bbox=bool(cache.provenance["bbox"]))
    by_name = {sample.name: sample for sample in dataset.samples}
    gone = [cache.names[row] for row in rows if cache.names[row] not in by_name]
    if gone:
        raise CacheError(f"{cache.path}: {data} has no image {gone[0]}; give the data set that was extracted")
    return [by_name[cache.names[row]] for row in rows]


def rebuild_describer(
    cache: FeatureCache, names: Sequence[str], *, weights: str = "auto", device: str = "auto"
) -> Describer:
    """Return what computes some of a cache's descriptors as the extraction did.

    Args:
        cache: the cache.
        names: of its descriptors.
        weights: where its backbone weights are; their sha256 must be the cache's.
        device: where to compute.

    Raises:
        WeightsError: the weights cannot be found, or are others.
    """
    fingerprint = cache.fingerprint
    found = find_recorded_weights(fingerprint, weights, owner=cache.path)
    preprocessing = Preprocessing.from_json(fingerprint["preprocessing"])
    backbone = create_backbone(
        fingerprint["backbone"], layer=fingerprint["layer"], weights=found, preprocessing=preprocessing
    )
    poolings = build_poolings({name: parse_pooling(name) for name in names}, backbone)
    for name, pooling in poolings.items():
        pooling.load_state_dict({key: torch.from_numpy(value) for key, value in cache.state(name).items()})
    return Describer(
        backbone,
        poolings,
        device=resolve_device(device),
        precision=fingerprint["precision"],
        flip=fingerprint["flip"],
    )
