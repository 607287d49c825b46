"""The section `extract` of a recipe."""

from typing import Literal

from pydantic import Field

from birdnet_cli.core.recipe.lists import CommaList
from birdnet_cli.core.recipe.transform import TransformSettings

__all__ = ["ExtractSettings"]


class ExtractSettings(TransformSettings):
    """Everything that decides which numbers `fbn extract` writes, and how fast.

    Attributes:
        backbone: a name of `core.backbones.list_backbones`, or `timm:NAME`.
        layer: the layer whose output is the feature map; None is the backbone's default.
        weights: `auto`, `none` (random, for tests) or a path.
        preprocessing: what the weights expect; `auto` finds it out with the weights.
        pooling: descriptor names, all written in one pass over the backbone.
        reduce: adds `-reduceN` to every bilinear and compact name in `pooling` that has none.
        select: adds `-varianceM` to every bilinear name in `pooling` that has none; written `variance:M`.
        flip: average each descriptor with that of the mirrored image (twice the work).
        fit_images: training images, evenly spaced, whose positions the 1x1 PCA reduction is fitted on.
        dtype: storage type of the descriptors.
        precision: arithmetic of the backbone; `auto` is bfloat16 where the hardware multiplies it natively.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    backbone: str = "vgg16"
    layer: str | None = None
    weights: str = "auto"
    preprocessing: Literal["auto", "imagenet", "oxford"] = "auto"
    pooling: CommaList = Field(default=("bilinear",), min_length=1)
    reduce: int | None = Field(default=None, ge=1)
    select: str | None = Field(default=None, pattern=r"^variance:[1-9]\d*$")
    flip: bool = False
    fit_images: int = Field(default=1000, ge=1)
    dtype: Literal["float16", "float32"] = "float16"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    batch_size: int = Field(default=16, ge=1)
    workers: int = Field(default=2, ge=0)
    seed: int = Field(default=0, ge=0)
