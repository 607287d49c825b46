import pytest
import torch
import torchvision

from birdnet_cli.core.backbones import (
    IMAGENET,
    BackboneInfo,
    create_backbone,
    describe_backbone,
    list_layers,
    resolve_weights,
)
from birdnet_cli.core.backbones.torchvision_models import canonical_key, list_models, state
from birdnet_cli.core.errors import UnknownNameError, UsageError


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layer", "channels", "nonnegative"),
    [
        ("resnet18", "layer4.1.relu_1", 512, True),
        ("efficientnet_b0", "features.8", 1280, False),
        ("mobilenet_v3_small", "features.12", 576, False),
        ("squeezenet1_1", "features.12.cat", 512, True),
    ],
)
def test_the_default_is_the_last_feature_map(images, name, layer, channels, nonnegative):
    weights = resolve_weights(name, "none")
    backbone = create_backbone(name, weights=weights)
    assert (backbone.layer, backbone.channels, backbone.nonnegative) == (layer, channels, nonnegative)
    with torch.inference_mode():
        feature_map = backbone(images)
    assert feature_map.shape[:2] == (2, channels)
    assert feature_map.shape[2] == feature_map.shape[3] > 1
    assert torch.isfinite(feature_map).all()


@pytest.mark.parametrize(
    ("name", "layer", "channels", "nonnegative"),
    [
        ("densenet121", "relu", 1024, True),
        ("regnet_y_400mf", "trunk_output.block4.block4-5.activation", 440, True),
        ("shufflenet_v2_x0_5", "conv5.2", 1024, True),
        pytest.param(*("mnasnet0_5", "layers.16", 1280, True), marks=pytest.mark.slow),
        pytest.param(*("mobilenet_v2", "features.18", 1280, True), marks=pytest.mark.slow),
        pytest.param(*("resnet50", "layer4.2.relu_2", 2048, True), marks=pytest.mark.slow),
        ("convnext_tiny", "features.7.2.add", 768, False),
        ("googlenet", "inception5b.cat", 1024, True),
        pytest.param(*("inception_v3", "Mixed_7c.cat_2", 2048, True), marks=pytest.mark.slow),
        ("vgg11_bn", "features.28", 512, True),
        ("alexnet", "features.12", 256, True),
    ],
)
def test_the_last_feature_map_is_known_without_weights(name, layer, channels, nonnegative):
    assert describe_backbone(name) == BackboneInfo(name, layer, channels, nonnegative)


def test_the_pooled_feature_map_gives_the_whole_networks_logits(images):
    weights = resolve_weights("resnet18", "none")
    whole = torchvision.models.resnet18(weights=None).eval()
    whole.load_state_dict(weights.tensors)
    with torch.inference_mode():
        pooled = create_backbone("resnet18", weights=weights)(images).mean(dim=(2, 3))
        expected = whole(weights.preprocessing.apply(images))
        torch.testing.assert_close(whole.fc(pooled), expected, rtol=1e-4, atol=1e-4)


def test_a_layer_may_be_a_module_and_means_its_last_node(images):
    backbone = create_backbone("resnet18", layer="layer2", weights=resolve_weights("resnet18", "none"))
    assert backbone.layer == "layer2.1.relu_1"
    with torch.inference_mode():
        assert backbone(images).shape == (2, 128, 12, 12)


def test_every_listed_layer_can_be_built():
    layers = list_layers("squeezenet1_1")
    assert layers[0] == "features.0"
    assert [describe_backbone("squeezenet1_1", layer=layer).layer for layer in layers[1::8]] == layers[1::8]


@pytest.mark.parametrize("layer", ["layer9", "fc", "flatten"])
def test_a_layer_without_a_feature_map_is_refused(layer):
    with pytest.raises(UnknownNameError, match="layer of resnet18 that gives a feature map"):
        create_backbone("resnet18", layer=layer)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "maxvit_t"])
def test_transformers_are_refused_and_not_listed(name):
    assert name not in list_models()
    with pytest.raises(UsageError, match=f"'{name}' is a vision transformer.*choose a convolutional network"):
        create_backbone(name)


def test_inception_has_no_auxiliary_head_and_rescales_its_input_as_its_weights_expect():
    assert not [key for key in state("inception_v3") if key.startswith("AuxLogits")]
    backbone = create_backbone("inception_v3", layer="Conv2d_1a_3x3.conv", preprocessing=IMAGENET)
    backbone.state_dict()["Conv2d_1a_3x3.conv.weight"][:3, :, 1, 1] = torch.eye(3)
    images = torch.randint(0, 256, (1, 3, 9, 9), dtype=torch.uint8)
    with torch.inference_mode():
        seen = backbone(images)[:, :3]
    torch.testing.assert_close(seen, images[:, :, 1:-1:2, 1:-1:2] / 127.5 - 1, rtol=1e-5, atol=1e-5)


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    describe_backbone("regnet_y_400mf")
    resolve_weights("resnet18", "none")
    assert torch.equal(torch.get_rng_state(), before)


def test_densenets_old_tensor_names_are_understood():
    tensors = state("densenet121")
    old = "features.denseblock1.denselayer1.norm.1.running_mean"
    assert canonical_key(old) == "features.denseblock1.denselayer1.norm1.running_mean"
    assert canonical_key(old) in tensors
    assert all(canonical_key(key) == key for key in tensors)
