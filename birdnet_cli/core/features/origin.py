"""The origin of a feature cache: its record of the extraction, its images, and the extractor that made it."""

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
    """The record of the extraction that made a cache; validated, since a foreign file may hold anything.

    Attributes:
        data: fingerprint of the data set.
        backbone: name of the backbone.
        layer: layer of the feature map.
        weights_sha256: SHA-256 of the backbone's weights, in hexadecimal.
        preprocessing: the JSON object that `Preprocessing.from_json` reads.
        transform: settings that turn an image into the backbone's input.
        flip: whether descriptors average over the mirrored image.
        precision: arithmetic of the backbone.
        weights_source: where the backbone's weights came from, for people.
        bbox: whether images were cropped to bounding boxes.
        settings: all settings of the extraction.
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
    """Return the record of the extraction that made a cache.

    Raises:
        CacheError: the record is not in the form that `extract` writes; the message names the field.
    """
    try:
        origin = CacheOrigin.model_validate({**cache.provenance, **cache.fingerprint})
        Preprocessing.from_json(origin.preprocessing)
    except (ValidationError, ModelFileError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise CacheError(
            f"{cache.path}: its record of the extraction is not as fbn extract writes it: {reason}: extract again"
        ) from error
    return origin


def find_samples(cache: FeatureCache, rows: Sequence[int], data: Path) -> list[Sample]:
    """Return the images behind some rows of a cache.

    Args:
        cache: the cache.
        rows: indices of rows of the cache.
        data: the data set that the cache was made from.

    Raises:
        CacheError: the data set lacks the image of a row, or as `read_origin`.
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
        weights: source of the backbone's weights: `auto`, `none` or a file; their sha256 must be the cache's.

    Raises:
        CacheError: as `read_origin`.
        WeightsError: the weights cannot be found, or have another sha256.
    """
    origin = read_origin(cache)
    found = find_recorded_weights(origin.model_dump(), weights, owner=cache.path)
    preprocessing = Preprocessing.from_json(origin.preprocessing)
    return create_backbone(origin.backbone, layer=origin.layer, weights=found, preprocessing=preprocessing)


def rebuild_extractor(
    cache: FeatureCache, names: Sequence[str], *, weights: str = "auto", device: str = "auto"
) -> FeatureExtractor:
    """Return an extractor that computes descriptors of a cache as its extraction did.

    Args:
        cache: the cache.
        names: names of descriptors of the cache.
        weights: source of the backbone's weights: `auto`, `none` or a file; their sha256 must be the cache's.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

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
