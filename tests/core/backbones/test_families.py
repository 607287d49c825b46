"""Which module builds a backbone, by its name."""

import pytest

from birdnet_cli.core.backbones import IMAGENET, timm_models, torchvision_models, vgg
from birdnet_cli.core.backbones.families import default_preprocessing, find_family, list_backbones
from birdnet_cli.core.errors import UnknownNameError, UsageError


def test_each_name_belongs_to_its_family():
    assert find_family("vgg16") is find_family("vgg19") is vgg
    # The VGG module names layers by block; torchvision's other VGGs keep torchvision's names.
    assert find_family("vgg16_bn") is find_family("resnet50") is torchvision_models
    assert find_family("timm:resnet50.a1_in1k") is timm_models


def test_every_listed_backbone_has_a_family_and_a_preprocessing():
    for name in list_backbones():
        assert find_family(name) in (vgg, torchvision_models)
        assert default_preprocessing(name).channel_order == "rgb"
    assert default_preprocessing("vgg16") == IMAGENET


def test_names_of_no_family_are_refused():
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'vgg61': did you mean .*vgg16"):
        find_family("vgg61")
    with pytest.raises(UsageError, match="'swin_t' is a vision transformer"):
        find_family("swin_t")
