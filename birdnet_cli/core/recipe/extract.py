"""The section `extract` of a recipe: which descriptors `fbn extract` computes, and how."""

from typing import Annotated, Literal

from pydantic import Field

from birdnet_cli.core.recipe.flag import Flag
from birdnet_cli.core.recipe.lists import CommaList
from birdnet_cli.core.recipe.transform import TransformSettings

__all__ = ["ExtractSettings"]

# Groups of `fbn extract --help`.
BACKBONE, DESCRIPTORS = "Backbone", "Descriptors"


class ExtractSettings(TransformSettings):
    """Everything that decides which numbers `fbn extract` writes, and how fast."""

    backbone: Annotated[str, Flag(panel=BACKBONE)] = Field(
        default="vgg16", description="Pretrained network: vgg16, vgg19, a torchvision classifier, or timm:NAME."
    )
    layer: Annotated[str | None, Flag(panel=BACKBONE, default="relu5_3 of VGG16, else the last map")] = Field(
        default=None, description="Layer of the backbone whose output is the feature map."
    )
    weights: Annotated[str, Flag(panel=BACKBONE)] = Field(
        default="auto",
        description="Weights of the backbone: auto, none (random) or a file (.safetensors, .pth, .onnx).",
    )
    preprocessing: Annotated[Literal["auto", "imagenet", "oxford"], Flag(panel=BACKBONE)] = Field(
        default="auto", description="Preprocessing that the weights expect; auto finds it out with the weights."
    )
    pooling: Annotated[CommaList, Flag(panel=DESCRIPTORS)] = Field(
        default=("bilinear",),
        min_length=1,
        description="Descriptors, comma-separated, all from one pass over the backbone: max, avg, avg-raw, bilinear, "
        "bilinear-full, bilinear-reduce144, bilinear-variance20000, compact, compact-rm, compact-d4096.",
    )
    reduce: Annotated[int | None, Flag(panel=DESCRIPTORS, default="no reduction")] = Field(
        default=None,
        ge=1,
        description="Channels after a 1x1 PCA reduction before bilinear and compact pooling, for the names that have "
        "no -reduceN.",
    )
    select: Annotated[str | None, Flag(panel=DESCRIPTORS, default="all components")] = Field(
        default=None,
        pattern=r"^variance:[1-9]\d*$",
        description="Keep the components of highest variance over the training split, such as variance:20000, for the "
        "bilinear names that have no -varianceM.",
    )
    flip: Annotated[bool, Flag(panel=DESCRIPTORS)] = Field(
        default=False, description="Average each descriptor with that of the mirrored image (twice the work)."
    )
    fit_images: int = Field(
        default=1000,
        ge=1,
        description="Training images, evenly spaced, on whose positions the 1x1 PCA reduction is fitted.",
    )
    dtype: Annotated[Literal["float16", "float32"], Flag(panel=DESCRIPTORS)] = Field(
        default="float16", description="Storage type of the descriptors."
    )
    precision: Annotated[Literal["auto", "float32", "bfloat16"], Flag()] = Field(
        default="auto",
        description="Arithmetic of the backbone; auto is bfloat16 where the hardware multiplies it natively.",
    )
    device: Annotated[str, Flag(metavar="NAME")] = Field(
        default="auto", description="Device of the backbone: auto, cpu, cuda or cuda:N."
    )
    batch_size: Annotated[int, Flag(names=("--batch-size", "-b"))] = Field(
        default=16, ge=1, description="Images per forward pass."
    )
    workers: Annotated[int, Flag(names=("--workers", "-j"))] = Field(
        default=2, ge=0, description="Processes that decode images; 0 decodes in the main process."
    )
    seed: int = Field(default=0, ge=0, description="Without effect: an extraction draws no random numbers.")
