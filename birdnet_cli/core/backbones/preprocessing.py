"""Preprocess RGB images in 0..255 as a weight set expects: [N, 3, H, W] -> float32 [N, 3, H, W]."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from birdnet_cli.core.errors import ModelFileError, UnknownNameError, UsageError

__all__ = ["IMAGENET", "OXFORD_VGG", "Preprocessing", "find_preprocessing"]

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """The formula `(channels * scale - mean) / std`, with the channels in the order that the weights expect.

    Attributes:
        mean: a value for each channel, in the weights' channel order, on the scale that `scale` gives.
        std: a positive value for each channel, in the weights' channel order.
        scale: positive factor on pixel values 0..255.
        channel_order: `rgb`, or `bgr` for weights from Caffe.

    Raises:
        UsageError: a value is not finite, a std or the scale is not above 0, or the order is neither rgb nor bgr.
    """

    mean: Triple
    std: Triple
    scale: float
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3:
            raise UsageError(f"preprocessing: expected 3 means and 3 stds, got {len(self.mean)} and {len(self.std)}")
        if not all(math.isfinite(value) for value in (*self.mean, *self.std, self.scale)):
            raise UsageError(f"preprocessing: mean, std and scale must be finite, got {self}")
        if min(*self.std, self.scale) <= 0:
            raise UsageError(f"preprocessing: std and scale must be above 0, got {self.std} and {self.scale}")
        if self.channel_order not in ("rgb", "bgr"):
            raise UsageError(f"preprocessing: channel_order must be 'rgb' or 'bgr', got {self.channel_order!r}")

    def apply(self, images: Tensor) -> Tensor:
        """Compute the formula in float32 on the images' device, whatever autocast is on.

        Args:
            images: [N, 3, H, W], RGB, uint8 or float, values 0..255.

        Returns:
            float32 [N, 3, H, W] in channels_last memory order.
        """
        order = (0, 1, 2) if self.channel_order == "rgb" else (2, 1, 0)
        # Python scalars per channel need no copy of constants to the device, and stacking on the last axis gives
        # channels_last memory order without another copy.
        planes = [
            (images[:, source].to(torch.float32) * self.scale - mean) / std
            for source, mean, std in zip(order, self.mean, self.std, strict=True)
        ]
        return torch.stack(planes, dim=-1).permute(0, 3, 1, 2)  # [N, H, W, 3] -> [N, 3, H, W]

    def to_json(self) -> dict[str, object]:
        """Return a dict of JSON types, which `from_json` reads."""
        return {
            "mean": list(self.mean),
            "std": list(self.std),
            "scale": self.scale,
            "channel_order": self.channel_order,
        }

    @classmethod
    def from_json(cls, document: object) -> "Preprocessing":
        """Read and validate the dict of `to_json`; the document may come from an untrusted file.

        Raises:
            ModelFileError: the document is no mapping of exactly the four keys, or a value has another type or is out
                of range.
        """
        keys = {"mean", "std", "scale", "channel_order"}
        if not isinstance(document, Mapping) or set(document) != keys:
            raise ModelFileError(f"preprocessing: expected the keys {', '.join(sorted(keys))}, got {document!r:.200}")
        try:
            return cls(
                mean=_read_triple(document["mean"]),
                std=_read_triple(document["std"]),
                scale=_read_number(document["scale"]),
                channel_order=document["channel_order"],
            )
        except (UsageError, OverflowError) as error:
            raise ModelFileError(str(error)) from error


IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=1 / 255)
"""The preprocessing of torchvision's weights."""

OXFORD_VGG = Preprocessing(mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), scale=1.0, channel_order="bgr")
"""The preprocessing of the original Caffe VGG weights: blue, green, red minus the training set's mean colour."""

NAMED = {"imagenet": IMAGENET, "oxford": OXFORD_VGG}


def find_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing called `imagenet` or `oxford`.

    Raises:
        UnknownNameError: another name.
    """
    if name not in NAMED:
        raise UnknownNameError("preprocessing", name, NAMED)
    return NAMED[name]


def _read_triple(value: object) -> Triple:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise UsageError(f"preprocessing: expected three numbers, got {value!r:.100}")
    first, second, third = (_read_number(item) for item in value)
    return first, second, third


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"preprocessing: expected a number, got {value!r:.100}")
    return float(value)
