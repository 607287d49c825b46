"""What a feature cache was made with: its images and its descriptors, to be read and computed again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from birdnet_cli.core.backbones import Backbone, Preprocessing, create_backbone
from birdnet_cli.core.backbones.recorded_weights import find_recorded_weights
from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.device import resolve_device
from birdnet_cli.core.errors import CacheError, ModelFileError
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.poolings import parse_pooling
from birdnet_cli.core.recipe import TransformSettings

__all__ = ["CacheOrigin", "find_samples", "read_origin", "rebuild_backbone", "rebuild_extractor"]


class CacheOrigin(BaseModel):
    """What `extract` has put on record about a cache; a file of a stranger may say anything, so it is validated.

    Attributes:
        data: fingerprint of the data set.
        backbone, layer, weights_sha256: the network.
        preprocessing: as `Preprocessing.from_json` reads it.
        transform: how an image became the backbone's input.
        flip: whether descriptors average over the mirrored image.
        precision: arithmetic of the backbone.
        weights_source: where its weights came from, for people.
        bbox: whether images were cropped to bounding boxes.
        settings: of the extraction.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: str
    backbone: str
    layer: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    transform: TransformSettings
    flip: bool
    precision: Literal["float32", "bfloat16"]
    weights_source: str
    bbox: bool
    settings: dict[str, Any]


def read_origin(cache: FeatureCache) -> CacheOrigin:
    """Return what a cache was made with.

    Raises:
        CacheError: its record is not one of `extract`; the field is named.
    """
    try:
        origin = CacheOrigin.model_validate({**cache.provenance, **cache.fingerprint})
        Preprocessing.from_json(origin.preprocessing)
    except (ValidationError, ModelFileError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise CacheError(f"{cache.path}: its record of how it was made is not one of fbn extract: {reason}") from error
    return origin


def find_samples(cache: FeatureCache, rows: Sequence[int], data: Path) -> list[Sample]:
    """Return the images behind some rows of a cache.

    Args:
        cache: the cache.
        rows: of it.
        data: the data set that it was made from.

    Raises:
        CacheError: the data set has no image of that name, or `read_origin` fails.
    """
    dataset = open_dataset(data, bbox=read_origin(cache).bbox)
    by_name = {sample.name: sample for sample in dataset.samples}
    gone = [cache.names[row] for row in rows if cache.names[row] not in by_name]
    if gone:
        raise CacheError(f"{cache.path}: {data} has no image {gone[0]}; give the data set that was extracted")
    return [by_name[cache.names[row]] for row in rows]


def rebuild_backbone(cache: FeatureCache, *, weights: str = "auto") -> Backbone:
    """Return the backbone that a cache was made with.

    Args:
        cache: the cache.
        weights: where its weights are; their sha256 must be the cache's.

    Raises:
        CacheError: as `read_origin`.
        WeightsError: the weights cannot be found, or are others.
    """
    origin = read_origin(cache)
    found = find_recorded_weights(origin.model_dump(), weights, owner=cache.path)
    preprocessing = Preprocessing.from_json(origin.preprocessing)
    return create_backbone(origin.backbone, layer=origin.layer, weights=found, preprocessing=preprocessing)


def rebuild_extractor(
    cache: FeatureCache, names: Sequence[str], *, weights: str = "auto", device: str = "auto"
) -> FeatureExtractor:
    """Return what computes some of a cache's descriptors as the extraction did.

    Args:
        cache: the cache.
        names: of its descriptors.
        weights: where its backbone weights are; their sha256 must be the cache's.
        device: where to compute.

    Raises:
        FbnError: as `rebuild_backbone`.
    """
    origin = read_origin(cache)
    backbone = rebuild_backbone(cache, weights=weights)
    extractor = FeatureExtractor.create(
        backbone,
        {name: parse_pooling(name) for name in names},
        device=resolve_device(device),
        precision=origin.precision,
        flip=origin.flip,
    )
    extractor.load_state({name: cache.state(name) for name in names})
    return extractor
