import pytest
import torch
from torch import nn

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.preprocessing import IMAGENET, Preprocessing
from birdnet_cli.core.errors import UsageError, WeightsError

PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), scale=1)


@pytest.fixture
def backbone() -> Backbone:
    with torch.device("meta"):
        network = nn.Sequential()
        network.add_module("features", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)))
    return Backbone(network, name="tiny", layer="end", channels=4, nonnegative=False, preprocessing=PLAIN).eval()


@pytest.fixture
def tensors(backbone) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        key: torch.rand(tensor.shape, generator=generator).to(tensor.dtype)
        for key, tensor in backbone.state_dict().items()
    }


def test_state_dict_has_the_published_names(backbone):
    assert list(backbone.state_dict())[:2] == ["features.0.weight", "features.0.bias"]


def test_state_dict_of_one_backbone_loads_into_another(backbone, tensors):
    backbone.load(tensors, source="here")
    other = Backbone(
        nn.Sequential(), name="tiny", layer="end", channels=4, nonnegative=False, preprocessing=PLAIN
    ).eval()
    other.network.add_module("features", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)).eval())
    other.load_state_dict(backbone.state_dict())
    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(other(images), backbone(images))


def test_published_names_hold_inside_a_larger_module(backbone, tensors):
    backbone.load(tensors, source="here")
    model = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(4, 2)})
    assert {"backbone.features.0.weight", "head.weight"} <= set(model.state_dict())
    model.load_state_dict(model.state_dict())


def test_loading_copies_values_and_ignores_other_names(backbone, tensors):
    backbone.load(tensors | {"classifier.weight": torch.zeros(2)}, source="here")
    tensors["features.0.bias"].fill_(7)
    assert not torch.any(backbone.state_dict()["features.0.bias"] == 7)


def test_half_precision_weights_become_float32(backbone, tensors):
    backbone.load({key: tensor.half() for key, tensor in tensors.items()}, source="here")
    assert backbone.state_dict()["features.0.weight"].dtype == torch.float32


def test_convolutions_are_kept_in_channels_last(backbone, tensors):
    backbone.load(tensors, source="here")
    weight = backbone.state_dict()["features.0.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_missing_step_counter_is_no_error(backbone, tensors):
    del tensors["features.2.num_batches_tracked"]
    backbone.load(tensors, source="here")
    assert backbone.state_dict()["features.2.num_batches_tracked"] == 0


def test_missing_and_misshapen_tensors_are_all_named(backbone, tensors):
    del tensors["features.2.running_mean"]
    tensors["features.0.weight"] = torch.zeros(4, 3, 1, 1)
    with pytest.raises(WeightsError) as caught:
        backbone.load(tensors, source="some.pth")
    message = str(caught.value)
    assert message.startswith("some.pth does not fit tiny at end")
    assert "missing features.2.running_mean" in message
    assert "features.0.weight is [4, 3, 1, 1], expected [4, 3, 3, 3]" in message


def test_only_the_first_few_missing_tensors_are_named(backbone):
    with pytest.raises(WeightsError, match=r"features\.2\.weight, features\.2\.bias and 2 more"):
        backbone.load({"features.0.x": torch.zeros(1)}, source="here")


def test_float_and_uint8_images_give_the_same_feature_map(backbone, tensors):
    backbone.load(tensors, source="here")
    images = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    assert backbone(images).shape == (2, 4, 7, 6)
    assert torch.equal(backbone(images), backbone(images.float()))


def test_forward_preprocesses(backbone, tensors):
    backbone.load(tensors, source="here")
    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    expected = backbone.network(IMAGENET.apply(images))
    backbone.preprocessing = IMAGENET
    assert torch.equal(backbone(images), expected)


def test_an_empty_batch_gives_an_empty_feature_map(backbone, tensors):
    backbone.load(tensors, source="here")
    assert backbone(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)).shape == (0, 4, 6, 6)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 8, 8, 3)])
def test_images_of_another_shape_are_refused(backbone, shape):
    with pytest.raises(UsageError, match=r"expected images \[N, 3, H, W\], got"):
        backbone(torch.zeros(shape))


def test_images_too_small_for_the_network_are_refused_with_their_size(backbone, tensors):
    backbone.load(tensors, source="here")
    with pytest.raises(UsageError, match="cannot process images of 2x2 pixels"):
        backbone(torch.zeros(1, 3, 2, 2))


def test_a_failure_on_large_images_keeps_its_own_error(backbone, tensors):
    backbone.load(tensors, source="here")
    backbone.network.append(nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        backbone(torch.zeros(1, 3, 96, 96))
