"""Backbones: [N, 3, H, W] -> [N, C, h, w], and where their weights come from."""

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.precision import autocast_for, resolve_precision
from birdnet_cli.core.backbones.preprocessing import IMAGENET, OXFORD_VGG, Preprocessing
from birdnet_cli.core.backbones.registry import (
    BackboneInfo,
    create_backbone,
    describe_backbone,
    list_backbones,
    list_layers,
)
from birdnet_cli.core.backbones.weights import WeightSet, offline_requested, resolve_weights

__all__ = [
    "IMAGENET",
    "OXFORD_VGG",
    "Backbone",
    "BackboneInfo",
    "Preprocessing",
    "WeightSet",
    "autocast_for",
    "create_backbone",
    "describe_backbone",
    "list_backbones",
    "list_layers",
    "offline_requested",
    "resolve_precision",
    "resolve_weights",
]
