import pytest
import torch
import torchvision

from birdnet_cli.core.backbones import create_backbone, list_layers, resolve_weights
from birdnet_cli.core.backbones.weights import WeightSet
from birdnet_cli.core.errors import UnknownNameError, WeightsError


@pytest.fixture(scope="module")
def random_vgg16() -> WeightSet:
    return resolve_weights("vgg16", "none")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_layers_are_named_by_block_and_position():
    layers = list_layers("vgg16")
    assert len(layers) == 13 + 13 + 5
    assert layers[:5] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
    assert layers[-3:] == ["conv5_3", "relu5_3", "pool5"]


def test_vgg19_has_a_fourth_convolution_in_its_last_blocks():
    assert {"conv3_4", "conv4_4", "conv5_4"} <= set(list_layers("vgg19"))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv1_1", (2, 64, 32, 48)),
        ("relu2_2", (2, 128, 16, 24)),
        ("pool3", (2, 256, 4, 6)),
        ("conv4_1", (2, 512, 4, 6)),
        ("relu5_3", (2, 512, 2, 3)),
        ("pool5", (2, 512, 1, 1)),
    ],
)
def test_a_truncated_network_equals_torchvisions_features_at_that_layer(random_vgg16, images, layer, shape):
    with torch.device("meta"):
        features = torchvision.models.vgg16(init_weights=False).features
    features.load_state_dict(
        {key.removeprefix("features."): tensor for key, tensor in random_vgg16.tensors.items()}, assign=True
    )
    reference = features.to(memory_format=torch.channels_last)[: list_layers("vgg16").index(layer) + 1]
    backbone = create_backbone("vgg16", layer=layer, weights=random_vgg16)
    with torch.inference_mode():
        feature_map = backbone(images)
        expected = reference(random_vgg16.preprocessing.apply(images))
    assert feature_map.shape == shape
    assert backbone.channels == shape[1]
    torch.testing.assert_close(feature_map, expected)


@pytest.mark.parametrize(("name", "layer"), [("vgg16", "relu5_3"), ("vgg19", "relu5_4")])
def test_the_default_layer_is_the_last_before_pool5(name, layer):
    backbone = create_backbone(name)
    assert (backbone.layer, backbone.channels, backbone.nonnegative) == (layer, 512, True)


@pytest.mark.parametrize(("layer", "nonnegative"), [("conv2_1", False), ("relu2_1", True), ("pool2", True)])
def test_only_maps_behind_a_relu_are_nonnegative(random_vgg16, images, layer, nonnegative):
    backbone = create_backbone("vgg16", layer=layer, weights=random_vgg16)
    assert backbone.nonnegative is nonnegative
    with torch.inference_mode():
        assert bool((backbone(images) >= 0).all()) is nonnegative


def test_the_fully_connected_layers_are_never_allocated():
    assert sum(tensor.numel() for tensor in create_backbone("vgg16").state_dict().values()) == 14_714_688


def test_layers_behind_the_truncation_are_not_kept(random_vgg16):
    backbone = create_backbone("vgg16", layer="relu1_2", weights=random_vgg16)
    assert list(backbone.state_dict()) == [
        "features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias",
    ]  # fmt: skip


def test_an_unknown_layer_is_refused_with_near_matches():
    with pytest.raises(UnknownNameError, match="unknown layer of vgg16 'relu5_4': did you mean relu5_3"):
        create_backbone("vgg16", layer="relu5_4")


def test_vgg16_weights_do_not_pass_for_vgg19(random_vgg16):
    with pytest.raises(WeightsError, match="does not fit vgg19 at relu5_4: missing"):
        create_backbone("vgg19", weights=random_vgg16)
