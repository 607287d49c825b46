"""A model's header -> its modules without their values: backbone or features of a network, pooling, head."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError

from birdnet_cli.core.backbones import Backbone, Preprocessing, WeightSet, create_backbone
from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.heads import CalibratedMapHead, LinearHead, create_map_head
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.networks import create_network, describe_network
from birdnet_cli.core.poolings import Pooling, create_pooling
from birdnet_cli.core.recipe import MapHeadSettings, NetworkSettings

__all__ = [
    "FEATURES",
    "Head",
    "create_model_parts",
    "create_trunk",
    "map_head_options",
    "network_preprocessing",
    "wrap_features",
]

Head = LinearHead | CalibratedMapHead
# The layer name of a network's features, whose output its head takes.
FEATURES = "features"


def create_trunk(about: Mapping[str, Any], *, weights: WeightSet | None, preprocessing: Preprocessing) -> Backbone:
    """Create the backbone that a header describes: a backbone up to a layer, or the features of a network.

    Args:
        about: the header's `backbone`.
        weights: values of the backbone; None leaves zeros, or the random initial values of a network.
        preprocessing: preprocessing that the weights expect.

    Raises:
        FbnError: there is no such backbone, network or layer, or the weights do not fit.
    """
    if about.get("network") is None:
        return create_backbone(about["backbone"], layer=about["layer"], weights=weights, preprocessing=preprocessing)
    try:
        settings = NetworkSettings.model_validate(about["network"])
    except ValidationError as error:
        raise ModelFileError(f"the header's network is not valid: {error.errors()[0]['msg']}") from error
    device = "cpu" if weights is None else "meta"
    network = create_network(
        settings.name, head="fc", num_classes=1, blocks=settings.blocks, width=settings.width, device=device
    )
    trunk = wrap_features(network.features, settings, channels=network.channels, preprocessing=preprocessing)
    if weights is not None:
        trunk.load(weights.tensors, source=weights.source)
    return trunk.eval()


def wrap_features(
    features: torch.nn.Module, settings: NetworkSettings, *, channels: int, preprocessing: Preprocessing
) -> Backbone:
    """Return a network's features as a backbone with its own preprocessing.

    Args:
        features: RGB images, preprocessed -> feature map [N, C, h, w].
        settings: settings of the network.
        channels: number of channels of the feature map, C.
        preprocessing: preprocessing that the features expect.
    """
    return Backbone(
        features.to(memory_format=torch.channels_last),
        name=settings.name,
        layer=FEATURES,
        channels=channels,
        nonnegative=False,
        preprocessing=preprocessing,
    )


def network_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing that a network of `core.networks` was published with."""
    info = describe_network(name)
    return Preprocessing(mean=info.mean, std=info.std, scale=info.scale)


def map_head_options(settings: MapHeadSettings) -> dict[str, Any]:
    """Return the keyword arguments of `create_map_head` for a head of these settings."""
    return settings.model_dump(exclude={"name", "norm"}) if settings.name == "fb" else {}


def create_model_parts(description: ModelDescription, backbone: Backbone) -> tuple[Pooling | None, Head]:
    """Create the pooling and the head of a model, without their values.

    Returns:
        The pooling, or None if the head takes the feature map; and the head.

    Raises:
        FbnError: settings contradict each other.
        ModelFileError: the header describes neither a pooling nor a head on the feature map.
    """
    classes = len(description.classes)
    if description.pooling is not None:
        pooling = create_pooling(description.pooling, channels=backbone.channels, nonnegative=backbone.nonnegative)
        return pooling, LinearHead(pooling.dim, classes)
    try:
        settings = MapHeadSettings.model_validate(description.head.get("map"))
    except ValidationError as error:
        raise ModelFileError(f"the header's head is not valid: {error.errors()[0]['msg']}") from error
    with torch.device("meta"):
        map_head = create_map_head(settings.name, backbone.channels, classes, **map_head_options(settings))
        return None, CalibratedMapHead(map_head, channels=backbone.channels, norm=settings.norm)
