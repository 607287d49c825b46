"""Build a torchvision convolutional classifier up to its last feature map, or up to any node of its graph."""

import re
from functools import cache
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.feature_graph import (
    FeatureMap,
    find_feature_maps,
    find_last_feature_map,
    is_nonnegative,
)
from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.errors import UnknownNameError

__all__ = ["TracedBackbone", "build", "canonical_key", "is_transformer", "list_layers", "list_models", "state"]

TRANSFORMERS = ("vision_transformer", "swin_transformer", "maxvit")
# No auxiliary heads. The published weights of these two networks expect torchvision's rescaling inside the network.
INCEPTION_SETTINGS: dict[str, Any] = {"aux_logits": False, "init_weights": False, "transform_input": True}
BUILDER_SETTINGS = {"googlenet": INCEPTION_SETTINGS, "inception_v3": INCEPTION_SETTINGS}
# torchvision's DenseNet files have old names: `norm.1.weight` is now `norm1.weight`.
OLD_DENSENET_KEY = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


class TracedBackbone(Backbone):
    """A backbone whose network is a feature extractor that torchvision traced."""

    def run_network(self, inputs: Tensor) -> Tensor:
        """Map preprocessed images [N, 3, H, W] to the feature map [N, C, h, w]."""
        feature_map: Tensor = self.network(inputs)[self.layer]
        return feature_map


def list_models() -> list[str]:
    """Return torchvision's convolutional classifiers, in alphabetical order."""
    names = torchvision.models.list_models(module=torchvision.models)
    return [name for name in names if not is_transformer(name)]


def is_transformer(name: str) -> bool:
    """Return True if torchvision has a classifier of this name and it has no convolutional feature map at its end."""
    if name not in torchvision.models.list_models(module=torchvision.models):
        return False
    module: str = torchvision.models.get_model_builder(name).__module__
    return module.endswith(TRANSFORMERS)


def list_layers(name: str) -> list[str]:
    """Return the nodes whose output is [N, C, h, w], first to last; takes about a second."""
    return list(_trace(name))


def state(name: str) -> dict[str, Tensor]:
    """Return all tensors of the network, on the meta device, for their names, shapes and types."""
    return dict(_build_model(name).state_dict())


def canonical_key(key: str) -> str:
    """Return the present name of a tensor, given its name in a published file."""
    return OLD_DENSENET_KEY.sub(r"\1\2", key)


def build(name: str, *, layer: str | None, preprocessing: Preprocessing) -> TracedBackbone:
    """Build the network up to `layer` on the meta device.

    Args:
        name: a name of `list_models`.
        layer: a node of `list_layers`, or a module such as `layer3`, which stands for its last node; None is the last
            feature map before the global pooling.
        preprocessing: the preprocessing that the weights expect.

    Raises:
        UnknownNameError: no node or module of that name gives a feature map.
    """
    maps = _trace(name)
    node = _find_node(name, layer, maps) if layer else find_last_feature_map(maps)
    extractor = create_feature_extractor(_build_model(name), [node], suppress_diff_warning=True).eval()
    return TracedBackbone(
        extractor,
        name=name,
        layer=node,
        channels=maps[node].channels,
        nonnegative=is_nonnegative(extractor),
        preprocessing=preprocessing,
    )


@cache
def _trace(name: str) -> dict[str, FeatureMap]:
    return find_feature_maps(_build_model(name))


def _find_node(name: str, layer: str, maps: dict[str, FeatureMap]) -> str:
    inside = [node for node in maps if node == layer or node.startswith(f"{layer}.")]
    if not inside:
        raise UnknownNameError(f"layer of {name} that gives a feature map", layer, maps)
    return inside[-1]


def _build_model(name: str) -> nn.Module:
    settings = BUILDER_SETTINGS.get(name, {})
    try:
        with torch.device("meta"):
            model: nn.Module = torchvision.models.get_model(name, weights=None, **settings)
    except NotImplementedError:
        # RegNet computes its widths with tensors, which the meta device cannot do. It is built with values, which are
        # dropped, and the global generator is restored.
        with torch.random.fork_rng(devices=[]):
            model = torchvision.models.get_model(name, weights=None, **settings).to("meta")
    return model.eval()
