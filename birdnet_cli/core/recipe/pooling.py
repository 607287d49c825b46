"""Settings of a descriptor: the pooling, its reduction or sketch, and the normalization of its values."""

from typing import Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings

__all__ = ["PoolingSettings"]


class PoolingSettings(Settings):
    """Settings of a descriptor, as `core.poolings.parse_pooling` reads them from `bilinear-reduce144` or the like."""

    name: Literal["max", "avg", "bilinear", "compact"] = Field(
        description="Pooling of the feature map [N, C, h, w] over its h * w locations."
    )
    normalize: bool = Field(
        default=True, description="Signed square root and l2 normalization of the pooled values; max ignores it."
    )
    packed: bool = Field(
        default=True,
        description="bilinear: keep the upper triangle alone, C * (C + 1) / 2 values instead of C * C, with "
        "off-diagonal values times sqrt(2), which keeps inner products.",
    )
    reduce: int | None = Field(
        default=None,
        ge=1,
        description="bilinear, compact: channels after the 1x1 PCA projection before the pooling; None is no "
        "projection.",
    )
    select: int | None = Field(
        default=None,
        ge=1,
        description="Number of components to keep, those of highest variance over the training split; None keeps all.",
    )
    sketch: Literal["tensor_sketch", "random_maclaurin"] = Field(
        default="tensor_sketch", description="compact: random projection that approximates the bilinear kernel."
    )
    sketch_dim: int = Field(default=8192, ge=1, description="compact: dimensions of the projected descriptor.")
    seed: int = Field(default=0, ge=0, description="compact: seed of the generator that draws the projection.")
