"""Shift an image's hue, saturation and lightness: uint8 [H, W, 3] -> uint8 [H, W, 3]."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["jitter_hsl"]


def jitter_hsl(pixels: NDArray[np.uint8], *, hue: float, saturation: float, lightness: float) -> NDArray[np.uint8]:
    """Convert to HSL, add to each channel, clamp saturation and lightness to [0, 1], and convert back.

    With M and m the largest and smallest of R, G, B in [0, 1]: L = (M + m) / 2 and S = (M - m) / (1 - |2L - 1|).

    A departure from MXNet: the hue wraps around, where MXNet clamps it, so that reds near its upper end would not
    change.

    Args:
        pixels: uint8 [H, W, 3], RGB; not changed.
        hue: shift in turns.
        saturation: shift on a scale of 0 to 1.
        lightness: shift on a scale of 0 to 1.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    rgb = pixels.astype(np.float32) * np.float32(1 / 255)
    red, green, blue = np.moveaxis(rgb, -1, 0)  # [H, W] each
    top = np.maximum(np.maximum(red, green), blue)
    bottom = np.minimum(np.minimum(red, green), blue)
    chroma = top - bottom
    safe = np.where(chroma > 0, chroma, np.float32(1))
    # The hue in sixths of a turn; 0 for grey, as in OpenCV, so that adding saturation to grey gives the shifted red.
    sixths = np.where(
        top == red,
        (green - blue) / safe,
        np.where(top == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    middle = (top + bottom) * np.float32(0.5)
    room = 1 - np.abs(2 * middle - 1)
    colourful = np.where(chroma > 0, chroma / np.where(room > 0, room, np.float32(1)), np.float32(0))
    middle = np.clip(middle + np.float32(lightness), 0, 1)
    chroma = np.clip(colourful + np.float32(saturation), 0, 1) * (1 - np.abs(2 * middle - 1))
    sixths = sixths + np.float32(6 * hue)
    result = np.empty_like(rgb)
    for channel, offset in enumerate((0, 4, 2)):
        ramp = np.clip(np.abs((sixths + np.float32(offset)) % 6 - 3) - 1, 0, 1)
        result[..., channel] = middle + chroma * (ramp - np.float32(0.5))
    return (np.clip(result, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
