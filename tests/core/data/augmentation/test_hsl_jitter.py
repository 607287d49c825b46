"""Hue, saturation and lightness, against the standard library's conversion of single pixels."""

import colorsys
from collections.abc import Callable

import numpy as np
import pytest

from birdnet_cli.core.data.augmentation.hsl_jitter import jitter_hsl

Noise = Callable[..., np.ndarray]

CORNERS = np.array(
    [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [128, 128, 128], [1, 0, 0],
     [255, 254, 255], [0, 255, 255]], dtype=np.uint8
)  # fmt: skip


def jitter_pixel(pixel: np.ndarray, hue: float, saturation: float, lightness: float) -> list[float]:
    h, l, s = colorsys.rgb_to_hls(*(value / 255 for value in pixel.tolist()))  # noqa: E741 - their names
    clamp = (min(1.0, max(0.0, value)) for value in (l + lightness, s + saturation))
    return [255 * value for value in colorsys.hls_to_rgb((h + hue) % 1, *clamp)]


@pytest.mark.parametrize(
    ("hue", "saturation", "lightness"),
    [(0, 0, 0), (0.2, 0, 0), (-0.2, 0, 0), (0, 0.196, 0), (0, -0.196, 0), (0, 0, 0.196), (0, 0, -0.196),
     (0.13, -0.1, 0.15), (-0.07, 0.19, -0.19), (0.5, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)],
)  # fmt: skip
def test_every_pixel_is_that_of_the_definition(noise: Noise, hue: float, saturation: float, lightness: float) -> None:
    pixels = np.concatenate([noise(20, 15).reshape(-1, 3), CORNERS])[None]
    expected = [[jitter_pixel(pixel, hue, saturation, lightness) for pixel in row] for row in pixels]
    result = jitter_hsl(pixels, hue=hue, saturation=saturation, lightness=lightness)
    assert result.dtype == np.uint8
    assert np.abs(result - np.array(expected)).max() < 0.51


def test_no_shift_changes_nothing(noise: Noise) -> None:
    pixels = np.concatenate([noise(31, 17).reshape(-1, 3), CORNERS])[None]
    assert np.array_equal(jitter_hsl(pixels, hue=0, saturation=0, lightness=0), pixels)


def test_a_third_of_a_turn_permutes_the_channels(noise: Noise) -> None:
    pixels = noise(31, 17)
    turned = jitter_hsl(pixels, hue=1 / 3, saturation=0, lightness=0)
    assert np.abs(turned.astype(int) - np.roll(pixels, 1, axis=-1)).max() <= 1


def test_grey_that_gains_saturation_turns_to_the_shifted_red() -> None:
    grey = np.full((1, 1, 3), 128, dtype=np.uint8)
    assert jitter_hsl(grey, hue=0, saturation=0.2, lightness=0)[0, 0].tolist() == [153, 103, 103]
    assert jitter_hsl(grey, hue=1 / 3, saturation=0.2, lightness=0)[0, 0].tolist() == [103, 153, 103]


def test_pixels_given_are_left_alone(noise: Noise) -> None:
    pixels = noise()
    before = pixels.copy()
    jitter_hsl(pixels, hue=0.1, saturation=0.1, lightness=0.1)
    assert np.array_equal(pixels, before)
