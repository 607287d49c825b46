"""Resize an RGB image of any size to a square tensor, by squash, crop or letterbox: image -> uint8 [3, S, S]."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import TransformSettings

__all__ = ["LETTERBOX_COLOUR", "Transform"]

LETTERBOX_COLOUR = (124, 116, 104)


class Transform:
    """Resize an image to the square that a backbone sees.

    `squash` scales both sides to S. `crop` scales the centre square of the shorter side to S; for odd margins the
    extra pixel is on the right or at the bottom. `letterbox` scales the longer side to S, the shorter one in
    proportion but to 1 pixel at least, and centres it on ImageNet's mean colour (124, 116, 104). Scaling uses Pillow's
    antialiased bilinear filter on 8-bit values, directly from the full resolution (no JPEG draft mode, no
    `reducing_gap`), so the result depends on the pixels alone.

    Args:
        settings: S, the `image_size` in pixels, and `resize`.

    Attributes:
        shape: (3, S, S).
    """

    def __init__(self, settings: TransformSettings) -> None:
        self.settings = settings
        self.shape = (3, settings.image_size, settings.image_size)

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the image as a square tensor.

        Args:
            image: mode "RGB", as `decode_image` returns it.

        Returns:
            uint8 Tensor[3, S, S], red first.

        Raises:
            UsageError: the image's mode is not "RGB".
        """
        if image.mode != "RGB":
            raise UsageError(f"expected an RGB image, as decode_image returns; got mode {image.mode!r}")
        S = self.settings.image_size
        W, H = image.size
        if self.settings.resize == "crop":
            side = min(W, H)
            left, top = (W - side) // 2, (H - side) // 2
            square = _resize(image, (S, S), box=(left, top, left + side, top + side))
        elif self.settings.resize == "letterbox":
            width, height = max(1, round(W * S / max(W, H))), max(1, round(H * S / max(W, H)))
            square = Image.new("RGB", (S, S), LETTERBOX_COLOUR)
            square.paste(_resize(image, (width, height)), ((S - width) // 2, (S - height) // 2))
        else:
            square = _resize(image, (S, S))
        # numpy copies in this thread; torch would use a thread per core and wait for them on a busy machine.
        return torch.from_numpy(np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1)))  # [3, S, S]


def _resize(image: Image.Image, size: tuple[int, int], *, box: tuple[int, int, int, int] | None = None) -> Image.Image:
    if image.size == size and box is None:
        return image
    return image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=None)
