"""Find the module that builds a backbone, by name: VGG, torchvision's other classifiers, or timm."""

from typing import Protocol

from torch import Tensor

from birdnet_cli.core.backbones import timm_models, torchvision_models, vgg
from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.backbones.published_weights import list_published_weights
from birdnet_cli.core.errors import UnknownNameError, UsageError

__all__ = ["Family", "default_preprocessing", "find_family", "list_backbones"]


class Family(Protocol):
    """The functions that a family's module has; each takes a name of the family."""

    def list_layers(self, name: str, /) -> list[str]:
        """Return the layers that give a feature map, first to last."""

    def state(self, name: str, /) -> dict[str, Tensor]:
        """Return all tensors of the network, for their names, shapes and types; the values have no meaning."""

    def canonical_key(self, key: str, /) -> str:
        """Return the present name of a tensor, given its name in a published file."""

    def build(self, name: str, /, *, layer: str | None, preprocessing: Preprocessing) -> Backbone:
        """Build the network up to `layer`, its tensors without values."""


def list_backbones() -> list[str]:
    """Return the names that `create_backbone` takes, except `timm:NAME`, in alphabetical order."""
    return sorted({*vgg.DEFAULT_LAYERS, *torchvision_models.list_models()})


def find_family(name: str) -> Family:
    """Return the module that builds the backbone `name`.

    Raises:
        UnknownNameError: no such backbone.
        UsageError: the name is a transformer's.
    """
    if name.startswith(timm_models.PREFIX):
        return timm_models
    if name in vgg.DEFAULT_LAYERS:
        return vgg
    if torchvision_models.is_transformer(name):
        raise UsageError(
            f"'{name}' is a vision transformer: it ends in tokens, not in a feature map [N, C, h, w] that can be "
            f"pooled; choose a convolutional network, such as vgg16, resnet50 or convnext_tiny"
        )
    if name not in torchvision_models.list_models():
        raise UnknownNameError("backbone", name, list_backbones())
    return torchvision_models


def default_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing of the backbone's default published weights."""
    if name.startswith(timm_models.PREFIX):
        return timm_models.default_preprocessing(name)
    return list_published_weights(name)[0].preprocessing
