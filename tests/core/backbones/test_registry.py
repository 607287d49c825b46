import pytest
import torch

from birdnet_cli.core.backbones import (
    OXFORD_VGG,
    BackboneInfo,
    create_backbone,
    describe_backbone,
    list_backbones,
    list_layers,
    resolve_weights,
)
from birdnet_cli.core.errors import UnknownNameError


def test_vgg_and_torchvisions_convolutional_networks_are_listed():
    names = list_backbones()
    assert {"vgg16", "vgg19", "resnet50", "densenet121", "convnext_tiny"} <= set(names)
    assert names == sorted(set(names))
    assert "vit_b_16" not in names


@pytest.mark.parametrize("call", [create_backbone, describe_backbone, list_layers, resolve_weights])
def test_an_unknown_backbone_is_refused_with_near_matches(call):
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'resnet5': did you mean .*resnet50"):
        call("resnet5")


def test_a_backbone_without_weights_is_zero_until_a_state_dict_is_loaded():
    images = torch.full((1, 3, 32, 32), 200, dtype=torch.uint8)
    source = create_backbone("vgg16", layer="relu1_2", weights=resolve_weights("vgg16", "none"))
    target = create_backbone("vgg16", layer="relu1_2", preprocessing=source.preprocessing)
    with torch.inference_mode():
        assert not target(images).any()
        target.load_state_dict(source.state_dict())
        assert torch.equal(target(images), source(images))


def test_backbones_come_in_eval_mode():
    assert not any(module.training for module in create_backbone("resnet18").modules())


def test_an_explicit_preprocessing_replaces_that_of_the_weights():
    weights = resolve_weights("vgg16", "none")
    assert create_backbone("vgg16", weights=weights).preprocessing == weights.preprocessing
    assert create_backbone("vgg16", weights=weights, preprocessing=OXFORD_VGG).preprocessing == OXFORD_VGG


def test_a_backbone_is_described_without_its_weights():
    assert describe_backbone("vgg16", layer="pool2") == BackboneInfo("vgg16", "pool2", 128, True)
