"""Create, list and describe backbones by name."""

from dataclasses import dataclass

import torch

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.families import default_preprocessing, find_family, list_backbones
from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.backbones.weights import WeightSet

__all__ = ["BackboneInfo", "create_backbone", "describe_backbone", "list_backbones", "list_layers"]


@dataclass(frozen=True)
class BackboneInfo:
    """The facts about a backbone that do not depend on its weights.

    Attributes:
        name: its name in `list_backbones`, or `timm:NAME`.
        layer: the layer whose output is the feature map.
        channels: C of the feature map [N, C, h, w].
        nonnegative: True only if no value of the feature map can be below 0.
    """

    name: str
    layer: str
    channels: int
    nonnegative: bool


def create_backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: WeightSet | None = None,
    preprocessing: Preprocessing | None = None,
) -> Backbone:
    """Create a backbone on the CPU, in eval mode.

    Args:
        name: a name of `list_backbones`, or `timm:NAME`.
        layer: a name of `list_layers`; None is the last feature map (VGG: before pool5).
        weights: a weight set of `resolve_weights`; None leaves zeros, for callers that load a state dict.
        preprocessing: replaces the preprocessing of `weights`.

    Raises:
        UnknownNameError: no such backbone or layer.
        UsageError: the network does not end in a feature map.
        WeightsError: a tensor of the weights is missing or has another shape.
    """
    family = find_family(name)
    if preprocessing is None:
        preprocessing = weights.preprocessing if weights else default_preprocessing(name)
    backbone = family.build(name, layer=layer, preprocessing=preprocessing)
    if weights:
        backbone.load(weights.tensors, source=weights.source)
    else:
        zeros = {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in backbone.state_dict().items()}
        backbone.load(zeros, source="zeros")
    return backbone.eval()


def list_layers(name: str) -> list[str]:
    """Return the layers of a backbone that give a feature map, first to last.

    Raises:
        UnknownNameError, UsageError: as `create_backbone`.
    """
    return find_family(name).list_layers(name)


def describe_backbone(name: str, *, layer: str | None = None) -> BackboneInfo:
    """Return a backbone's layer, channels and sign, without loading weights.

    Raises:
        UnknownNameError, UsageError: as `create_backbone`.
    """
    built = find_family(name).build(name, layer=layer, preprocessing=default_preprocessing(name))
    return BackboneInfo(name=name, layer=built.layer, channels=built.channels, nonnegative=built.nonnegative)
