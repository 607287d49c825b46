"""Settings of a network that is trained from random values, and of a head on feature maps."""

from typing import Annotated, Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings

__all__ = ["Blocks", "DropMask", "MapHeadSettings", "NetworkSettings", "TestScale", "Width"]

_Count = Annotated[int, Field(ge=1, le=1024)]
Blocks = Annotated[
    _Count | tuple[_Count, _Count, _Count, _Count] | None,
    Field(
        description="ResNet: blocks of every stage, or of each of the four stages of an ImageNet network; None is as "
        "published."
    ),
]
Width = Annotated[
    _Count | None,
    Field(
        description="ResNet: channels of the first convolution, by which all others are scaled; None is as published."
    ),
]
DropMask = Annotated[
    Literal["batch", "sample"],
    Field(description="fb: whether DropFactor draws one mask per forward pass (batch) or one per image (sample)."),
]
TestScale = Annotated[
    Literal["none", "keep"],
    Field(
        description="fb: scale of the quadratic term in evaluation; none evaluates the function that was trained, keep "
        "multiplies the term by 1 - the drop probability, as the authors' code does."
    ),
]


class NetworkSettings(Settings):
    """Settings of a network of `core.networks`, without its head."""

    name: str = Field(description="A name of `core.networks.list_networks`.")
    blocks: Blocks = None
    width: Width = None


class MapHeadSettings(Settings):
    """Settings of a head on the feature map, as `core.heads.create_map_head` and `CalibratedMapHead` build it.

    `factors`, `diagonal`, `drop_prob`, `mask` and `test_scale` belong to `fb` alone: `core.heads.FactorizedBilinear`.
    """

    name: Literal["fc", "tanh", "fb"] = Field(
        description="fc: ReLU, average, linear. tanh: tanh, average, linear. fb: tanh, then a Factorized Bilinear "
        "layer and a linear layer in parallel, averaged."
    )
    norm: bool = Field(description="Batch normalization of the feature map before the head, for pretrained backbones.")
    factors: int = Field(default=20, ge=0, le=4096, description="fb: factors of each class.")
    diagonal: bool = Field(default=False, description="fb: keep the squares of single channels.")
    drop_prob: float = Field(default=0.5, ge=0, lt=1, description="fb: probability that DropFactor drops a factor.")
    mask: DropMask = "batch"
    test_scale: TestScale = "none"
