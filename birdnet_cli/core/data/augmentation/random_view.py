"""Augment an image by the policies `level1` and `level2`: RGB image, eight numbers in [0, 1) -> uint8 [3, S, S].

Source: the FBN authors' training scripts (`--aug-level`), which use MXNet's image iterator.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from birdnet_cli.core.data.augmentation.hsl_jitter import jitter_hsl
from birdnet_cli.core.recipe import AugmentSettings

__all__ = ["random_view"]

MIN_SCALE = 256 / 480
MAX_ASPECT = 0.25
# MXNet's limits: 36 units of two degrees of hue; 50 of 255 for saturation and lightness. Here in turns and shares.
MAX_HUE, MAX_SATURATION, MAX_LIGHTNESS = 36 / 180, 50 / 255, 50 / 255


def random_view(image: Image.Image, draws: NDArray[np.float64], *, settings: AugmentSettings) -> Tensor:
    """Resample a random window of an image.

    Level 1: the shorter side is scaled to `source_size`, and S x S pixels are cut at a random place. Level 2: the
    shorter side is scaled to s * `source_size` with s from [0.533, 1], height and width by 2 / (1 + r) and 2r / (1 + r)
    more with r from [0.75, 1.25], S x S pixels are cut, and hue, saturation and lightness are shifted by up to 72
    degrees, 50/255 and 50/255. Scaling and cutting are a single pass of Pillow's antialiased bilinear filter.

    Args:
        image: mode "RGB".
        draws: float64 [8] in [0, 1): top, left, mirror, scale, aspect, hue, saturation, lightness.
        settings: policy `level1` or `level2`.

    Returns:
        uint8 Tensor[3, S, S].
    """
    S = settings.image_size
    W, H = image.size
    top, left, mirror, scale, aspect, *shifts = draws.tolist()
    if settings.policy == "level1":
        box = _level1_box(W, H, S, source=settings.source_pixels(), top=top, left=left)
    else:
        s = MIN_SCALE + (1 - MIN_SCALE) * scale
        r = 1 + MAX_ASPECT * (2 * aspect - 1)
        enlargement = settings.source_pixels() / min(W, H) * s * 2 / (1 + r)
        # A departure: where the window is larger than the scaled image, MXNet fills the rest with a colour. Here the
        # window is narrowed, so no border is added, and the aspect of those few views changes a little less.
        width, height = min(W, S / (enlargement * r)), min(H, S / enlargement)
        x, y = left * (W - width), top * (H - height)
        box = (x, y, min(W, x + width), min(H, y + height))
    view = image.resize((S, S), Image.Resampling.BILINEAR, box=box, reducing_gap=None)
    if settings.mirror and mirror < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.asarray(view)  # [S, S, 3]
    if settings.policy == "level2":
        hue, saturation, lightness = (2 * shift - 1 for shift in shifts)
        pixels = jitter_hsl(
            pixels, hue=hue * MAX_HUE, saturation=saturation * MAX_SATURATION, lightness=lightness * MAX_LIGHTNESS
        )
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))  # [3, S, S]


def _level1_box(W: int, H: int, S: int, *, source: int, top: float, left: float) -> tuple[float, float, float, float]:
    """Return, in the image's pixels, the S x S window at a whole-pixel place of the scaled image."""
    width, height = round(W * source / min(W, H)), round(H * source / min(W, H))
    x, y = math.floor(left * (width - S + 1)), math.floor(top * (height - S + 1))
    return x * W / width, y * H / height, min(W, (x + S) * W / width), min(H, (y + S) * H / height)
