"""The modules that a model's header describes: backbone or features of a network, pooling and head."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from birdnet_cli.core.backbones import Preprocessing, WeightSet
from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.heads import CalibratedMapHead, LinearHead
from birdnet_cli.core.model.modules import (
    create_model_parts,
    create_trunk,
    map_head_options,
)
from birdnet_cli.core.recipe import MapHeadSettings
from tests.core.small_model import DESCRIPTION

UNSCALED = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), scale=1.0)
RESNET = {"backbone": "resnet164", "layer": "features", "network": {"name": "resnet164", "blocks": 1, "width": 4}}
IMAGES = torch.arange(2 * 3 * 32 * 32).view(2, 3, 32, 32).remainder(256).to(torch.uint8)


def test_a_backbone_ends_at_its_layer_and_its_values_are_zeros() -> None:
    trunk = create_trunk({"backbone": "vgg16", "layer": "relu1_1"}, weights=None, preprocessing=UNSCALED)
    assert (trunk.name, trunk.layer, trunk.channels) == ("vgg16", "relu1_1", 64)
    assert not trunk(IMAGES).any()


def test_a_networks_features_take_the_given_weights() -> None:
    source = create_trunk(RESNET, weights=None, preprocessing=UNSCALED)
    values = {name: tensor + 0.01 for name, tensor in source.state_dict().items()}
    trunk = create_trunk(RESNET, weights=WeightSet("test", "0" * 64, values, UNSCALED), preprocessing=UNSCALED)
    assert (trunk.name, trunk.layer, trunk.channels) == ("resnet164", "features", 64)
    with torch.no_grad():
        maps = trunk(IMAGES)
        assert maps.shape[:2] == (2, 64)
        source.load_state_dict(values)
        assert torch.equal(maps, source(IMAGES))


def test_settings_that_no_network_has_are_refused() -> None:
    with pytest.raises(ModelFileError, match="the header's network is not valid"):
        create_trunk(RESNET | {"network": {"name": "resnet164", "depth": 3}}, weights=None, preprocessing=UNSCALED)


def test_a_pooled_model_has_a_linear_head_of_its_descriptor() -> None:
    trunk = create_trunk(DESCRIPTION.backbone, weights=None, preprocessing=UNSCALED)
    pooling, head = create_model_parts(DESCRIPTION, trunk)
    assert pooling is not None
    assert isinstance(head, LinearHead)
    assert (pooling.dim, tuple(head.weight.shape)) == (20, (3, 20))


def on_maps(**head: Any) -> tuple[object, torch.nn.Module]:
    trunk = create_trunk(DESCRIPTION.backbone, weights=None, preprocessing=UNSCALED)
    return create_model_parts(replace(DESCRIPTION, pooling=None, head={"head": "fb", **head}), trunk)


def test_a_head_on_feature_maps_has_no_pooling_and_no_memory() -> None:
    pooling, head = on_maps(map={"name": "fb", "norm": True, "factors": 5})
    assert pooling is None
    assert isinstance(head, CalibratedMapHead)
    assert isinstance(head.norm, torch.nn.BatchNorm2d)
    assert {tensor.device.type for tensor in head.state_dict().values()} == {"meta"}
    assert max(tensor.numel() for tensor in head.state_dict().values()) == 3 * 5 * 64


def test_a_header_without_a_pooling_or_a_head_on_feature_maps_is_refused() -> None:
    with pytest.raises(ModelFileError, match="the header's head is not valid"):
        on_maps()


def test_factors_are_arguments_of_the_fb_head_alone() -> None:
    assert map_head_options(MapHeadSettings(name="fc", norm=True)) == {}
    assert map_head_options(MapHeadSettings(name="fb", norm=True, factors=7))["factors"] == 7
