"""How an image becomes what a backbone sees, in evaluation and in training."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from birdnet_cli.core.recipe.base import Settings

__all__ = ["AugmentSettings", "TransformSettings"]


class TransformSettings(Settings):
    """How an RGB image of any size becomes [3, image_size, image_size].

    Attributes:
        image_size: side of the square that the backbone sees, in pixels.
        resize: `squash` scales both sides to `image_size`, ignoring the aspect; `crop` scales the shorter side to
            `image_size` and takes the centre; `letterbox` scales the longer side and pads with ImageNet's mean colour
            (124, 116, 104). Scaling is Pillow's antialiased bilinear filter.
    """

    image_size: int = Field(default=224, ge=16, le=2048)
    resize: Literal["squash", "crop", "letterbox"] = "squash"


class AugmentSettings(TransformSettings):
    """How a training image becomes [3, image_size, image_size], differently in every epoch.

    Attributes:
        policy: `none` is the transform of evaluation. `basic`: resized as in evaluation but to `source_size`, random
            crop, mirrored or not. `cifar`: the same with no larger size but 4 pixels of white on each side. `level1`:
            shorter side to `source_size`, random crop, mirrored or not. `level2`: crop of a random size (scale 0.533
            to 1 of `source_size`) and aspect (within 25%), mirrored or not, jittered in hue, saturation and lightness.
        source_size: side in pixels before the crop; None is 1.15 times `image_size` for `basic`, 256/224 and 480/224
            times for `level1` and `level2`, and `image_size` for the others, which take no other.
        mirror: whether images are mirrored by chance; False where left and right mean something. `none` never does.
    """

    policy: Literal["none", "basic", "cifar", "level1", "level2"] = "basic"
    source_size: int | None = Field(default=None, ge=16, le=4096)
    mirror: bool = True

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
        """Return `source_size`, or what the policy takes for it."""
        if self.source_size is not None:
            return self.source_size
        ratios = {"basic": 1.15, "level1": 256 / 224, "level2": 480 / 224}
        return round(self.image_size * ratios.get(self.policy, 1))
