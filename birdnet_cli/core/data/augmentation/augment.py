"""Augment training images, by (seed, epoch, index): an RGB image, or canvases in memory -> uint8 [3, S, S].

A policy draws `DRAWS` numbers for each sample and epoch; nothing else is random. `none`, `basic` and `cifar` cut an
S x S window out of a canvas that is the same in every epoch, so it can be kept in memory (`cut_windows`); `level1` and
`level2` sample the window from the image's pixels (`random_view`).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from birdnet_cli.core.data.augmentation.random_view import random_view
from birdnet_cli.core.data.draws import draw_row, draw_table
from birdnet_cli.core.data.transforms import Transform
from birdnet_cli.core.recipe import AugmentSettings, TransformSettings

__all__ = ["DRAWS", "Augmentation", "canvas_transform", "cut_windows", "draw_augmentations"]

DRAWS = 8  # top, left, mirror; for the levels also scale, aspect, hue, saturation, lightness
CIFAR_PAD = 4
CIFAR_FILL = 255


class Augmentation:
    """The augmentation of an epoch, an `IndexedTransform` for `load_batches`.

    Args:
        settings: policy, S and mirroring.
        seed: 0 or more.
        epoch: 0 or more.

    Attributes:
        shape: (3, S, S).
    """

    def __init__(self, settings: AugmentSettings, *, seed: int, epoch: int) -> None:
        self.settings = settings
        self.seed = seed
        self.epoch = epoch
        self.shape = (3, settings.image_size, settings.image_size)

    def at(self, index: int) -> Callable[[Image.Image], Tensor]:
        """Return the function that augments the image of this index: RGB image -> uint8 [3, S, S]."""
        draws = draw_row(self.seed, self.epoch, index, purpose="augment", columns=DRAWS)
        return partial(_augment, settings=self.settings, draws=draws)


def draw_augmentations(n: int, *, seed: int, epoch: int) -> NDArray[np.float64]:
    """Return an epoch's draws for samples 0 to n-1, float64 [n, DRAWS]; `Augmentation.at(i)` uses row i."""
    return draw_table(seed, epoch, purpose="augment", rows=n, columns=DRAWS)


def canvas_transform(settings: AugmentSettings) -> Transform | None:
    """Return the transform image -> canvas uint8 [3, C, C], the same in every epoch; None for the levels."""
    if settings.policy in ("level1", "level2"):
        return None
    return Transform(TransformSettings(image_size=settings.source_pixels(), resize=settings.resize))


def cut_windows(canvases: Tensor, draws: NDArray[np.float64], *, settings: AugmentSettings) -> Tensor:
    """Pad, cut and mirror canvases, each by its own draws.

    Args:
        canvases: uint8 Tensor[n, 3, C, C], made by `canvas_transform`.
        draws: float64 [n, DRAWS] in [0, 1).
        settings: policy `none`, `basic` or `cifar`, S and mirroring.

    Returns:
        uint8 Tensor[n, 3, S, S].
    """
    if settings.policy == "none":
        return canvases
    S = settings.image_size
    pixels = canvases.numpy()
    if settings.policy == "cifar":
        margin = (CIFAR_PAD, CIFAR_PAD)
        pixels = np.pad(pixels, ((0, 0), (0, 0), margin, margin), constant_values=CIFAR_FILL)
    places = pixels.shape[-1] - S + 1
    top, left = (draws[:, :2] * places).astype(np.int64).T  # [n] each
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (S, S), axis=(2, 3))  # [n, 3, places, places, S, S]
    cut = windows[np.arange(len(pixels)), :, top, left]  # [n, 3, S, S], a copy
    if settings.mirror:
        mirrored = draws[:, 2] < 0.5
        cut[mirrored] = cut[mirrored, :, :, ::-1]
    return torch.from_numpy(cut)


def _augment(image: Image.Image, *, settings: AugmentSettings, draws: NDArray[np.float64]) -> Tensor:
    transform = canvas_transform(settings)
    if transform is None:
        return random_view(image, draws, settings=settings)
    return cut_windows(transform(image)[None], draws[None], settings=settings)[0]
