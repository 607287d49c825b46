"""Build VGG16 or VGG19 up to a named layer: `conv1_1`, `relu1_1`, ... `pool5`.

Source: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
configurations D and E. The layers are torchvision's, under torchvision's names (`features.0.weight`, ...); the fully
connected layers are never allocated.
"""

from collections import OrderedDict

import torch
import torchvision
from torch import Tensor, nn

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.errors import UnknownNameError

__all__ = ["DEFAULT_LAYERS", "build", "canonical_key", "list_layers", "state"]

# The last feature map before pool5, as in the bilinear CNN paper; pool5 would leave a quarter of the locations.
DEFAULT_LAYERS = {"vgg16": "relu5_3", "vgg19": "relu5_4"}


def list_layers(name: str) -> list[str]:
    """Return the names of all layers of `vgg16` or `vgg19`, first to last."""
    layers = []
    block = index = 1
    for module in _features(name):
        if isinstance(module, nn.MaxPool2d):
            layers.append(f"pool{block}")
            block, index = block + 1, 1
        elif isinstance(module, nn.ReLU):
            layers.append(f"relu{block}_{index}")
            index += 1
        else:
            layers.append(f"conv{block}_{index}")
    return layers


def state(name: str) -> dict[str, Tensor]:
    """Return all tensors of the network, on the meta device, for their names, shapes and types."""
    return dict(_wrap(_features(name)).state_dict())


def canonical_key(key: str) -> str:
    """Return the present name of a tensor, given its name in a published file."""
    return key


def build(name: str, *, layer: str | None, preprocessing: Preprocessing) -> Backbone:
    """Build the network up to `layer` on the meta device.

    Args:
        name: `vgg16` or `vgg19`.
        layer: a name of `list_layers`; None is `relu5_3` (VGG16) or `relu5_4` (VGG19).
        preprocessing: the preprocessing that the weights expect.

    Raises:
        UnknownNameError: no such layer.
    """
    layer = layer or DEFAULT_LAYERS[name]
    layers = list_layers(name)
    if layer not in layers:
        raise UnknownNameError(f"layer of {name}", layer, layers)
    features = _features(name)[: layers.index(layer) + 1]
    channels = [module.out_channels for module in features if isinstance(module, nn.Conv2d)][-1]
    return Backbone(
        _wrap(features),
        name=name,
        layer=layer,
        channels=channels,
        nonnegative=layer.startswith(("relu", "pool")),
        preprocessing=preprocessing,
    )


def _features(name: str) -> nn.Sequential:
    with torch.device("meta"):
        features: nn.Sequential = torchvision.models.get_model(name, weights=None, init_weights=False).features
    return features


def _wrap(features: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=features))
