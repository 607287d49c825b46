"""One descriptor."""

from typing import Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings

__all__ = ["PoolingSettings"]


class PoolingSettings(Settings):
    """One descriptor, as `core.poolings.parse_pooling` reads it from a name such as `bilinear-reduce144`.

    Attributes:
        name: `max`, `avg`, `bilinear` or `compact`.
        normalize: signed square root and l2 normalization of the pooled values (max: never).
        packed: bilinear only: keep the upper triangle, off-diagonal values times sqrt(2).
        reduce: bilinear and compact: channels after a 1x1 PCA projection that comes before the pooling.
        select: keep this many components, those of the highest variance over the training split.
        sketch: compact only: the projection.
        sketch_dim: compact only: the number of dimensions after it.
        seed: compact only: seed of the sketch's own generator.
    """

    name: Literal["max", "avg", "bilinear", "compact"]
    normalize: bool = True
    packed: bool = True
    reduce: int | None = Field(default=None, ge=1)
    select: int | None = Field(default=None, ge=1)
    sketch: Literal["tensor_sketch", "random_maclaurin"] = "tensor_sketch"
    sketch_dim: int = Field(default=8192, ge=1)
    seed: int = Field(default=0, ge=0)
