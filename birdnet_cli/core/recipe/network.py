"""A network that is trained from random values, and a head on feature maps."""

from typing import Annotated, Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings

__all__ = ["Blocks", "MapHeadSettings", "NetworkSettings", "Width"]

Count = Annotated[int, Field(ge=1, le=1024)]
Blocks = Count | tuple[Count, Count, Count, Count]
Width = Count


class NetworkSettings(Settings):
    """A network of `core.networks`, without its head.

    Attributes:
        name: of `list_networks`.
        blocks: of a ResNet: blocks in every stage, or in each of an ImageNet network's four; None is as published.
        width: of a ResNet: channels of its first convolution, with which all others grow; None is as published.
    """

    name: str
    blocks: Blocks | None = None
    width: Width | None = None


class MapHeadSettings(Settings):
    """A head that takes the feature map, as `core.heads.create_map_head` and `CalibratedMapHead` build it.

    Attributes:
        name: `fc`, `tanh` or `fb`.
        norm: normalise the feature map first.
        factors, diagonal, drop_prob, mask, test_scale: of `core.heads.FactorizedBilinear`; `fb` alone has them.
    """

    name: Literal["fc", "tanh", "fb"]
    norm: bool
    factors: int = Field(default=20, ge=0, le=4096)
    diagonal: bool = False
    drop_prob: float = Field(default=0.5, ge=0, lt=1)
    mask: Literal["batch", "sample"] = "batch"
    test_scale: Literal["none", "keep"] = "none"
