"""Settings of the image transforms: how an image becomes the backbone's input, in evaluation and in training."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from birdnet_cli.core.recipe.base import Settings
from birdnet_cli.core.recipe.flag import Flag

__all__ = ["AugmentSettings", "ImageSize", "TransformSettings"]

ImageSize = Annotated[int, Field(ge=16, le=2048, description="Side of the square input of the network, in pixels.")]


class TransformSettings(Settings):
    """How an RGB image of any size becomes [3, image_size, image_size].

    `squash` scales both sides to `image_size`; `crop` scales the shorter side to `image_size` and takes the centre;
    `letterbox` scales the longer side and pads with ImageNet's mean colour (124, 116, 104). Scaling is Pillow's
    antialiased bilinear filter.
    """

    image_size: Annotated[ImageSize, Flag()] = 224
    resize: Annotated[Literal["squash", "crop", "letterbox"], Flag()] = Field(
        default="squash",
        description="How an image becomes square: squash ignores the aspect, crop takes the centre, letterbox pads.",
    )


class AugmentSettings(TransformSettings):
    """How a training image becomes [3, image_size, image_size], differently in every epoch.

    `none` is the transform of evaluation. `basic`: resized as in evaluation but to `source_size`, random crop, mirrored
    or not. `cifar`: the same with no larger size but 4 pixels of white on each side. `level1`: shorter side to
    `source_size`, random crop, mirrored or not. `level2`: crop of a random size (scale 0.533 to 1 of `source_size`) and
    aspect (within 25%), mirrored or not, jittered in hue, saturation and lightness.
    """

    policy: Annotated[Literal["none", "basic", "cifar", "level1", "level2"], Flag(names=("--augment",))] = Field(
        default="basic",
        description="How training images vary: basic and level1 crop at random and mirror, cifar pads before it crops, "
        "level2 also varies size, aspect and colour, none does not vary them.",
    )
    source_size: int | None = Field(
        default=None,
        ge=16,
        le=4096,
        description="Side of a training image before the crop, in pixels; None is 1.15 * image_size for basic, 256/224 "
        "and 480/224 times for level1 and level2, and image_size for none and cifar, which take no other.",
    )
    mirror: bool = Field(
        default=True,
        description="Mirror training images by chance; false where left and right mean something. The policy none "
        "never mirrors.",
    )

    @field_validator("source_size")
    @classmethod
    def _check_source_size(cls, value: int | None, info: ValidationInfo) -> int | None:
        policy, size = info.data.get("policy"), info.data.get("image_size", 0)
        if value is not None and value < size:
            raise ValueError(f"a source of {value} pixels is smaller than the crop of image_size={size}")
        if value is not None and value != size and policy in ("none", "cifar"):
            raise ValueError(f"the policy '{policy}' has no source larger than image_size={size}")
        return value

    def source_pixels(self) -> int:
        """Return `source_size`, or the policy's own size where it is None, in pixels."""
        if self.source_size is not None:
            return self.source_size
        ratios = {"basic": 1.15, "level1": 256 / 224, "level2": 480 / 224}
        return round(self.image_size * ratios.get(self.policy, 1))
