"""The ImageNet levels: where the window lies, how large it is, and what happens to colours."""

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.data.augmentation.random_view import random_view
from birdnet_cli.core.recipe import AugmentSettings

LEVEL1 = AugmentSettings(policy="level1", image_size=56, source_size=64)
LEVEL2 = AugmentSettings(policy="level2", image_size=56, source_size=120)
NEUTRAL = 0.5  # no shift of colours, no change of aspect, not mirrored


def position_map(W: int, H: int) -> Image.Image:
    """Red rises from left to right, green from top to bottom, blue is 128."""
    x, y = np.meshgrid((np.arange(W) + 0.5) / W * 255, (np.arange(H) + 0.5) / H * 255)
    return Image.fromarray(np.stack([x, y, np.full_like(x, 128)], axis=-1).round().astype(np.uint8))


def view(image: Image.Image, settings: AugmentSettings, **draws: float) -> np.ndarray:
    names = ("top", "left", "mirror", "scale", "aspect", "hue", "saturation", "lightness")
    values = np.array([draws.get(name, NEUTRAL) for name in names])
    return random_view(image, values, settings=settings).numpy().astype(float)  # [3, S, S]


def window(pixels: np.ndarray, W: int, H: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what a view of a position map shows, in its pixels, without the rim."""
    S = pixels.shape[-1]
    inner = slice(4, S - 4)
    across = np.polyfit(np.arange(S)[inner] + 0.5, pixels[0][:, inner].mean(0) / 255 * W, 1)
    down = np.polyfit(np.arange(S)[inner] + 0.5, pixels[1][inner].mean(1) / 255 * H, 1)
    return across[1], down[1], across[1] + S * across[0], down[1] + S * down[0]


@pytest.mark.parametrize(("W", "H"), [(300, 200), (97, 131), (64, 64), (30, 50)])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (0.37, 0.81), (0.999, 0.999)])
def test_level_1_is_a_window_of_the_scaled_image(W: int, H: int, top: float, left: float) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8))
    width, height = round(W * 64 / min(W, H)), round(H * 64 / min(W, H))
    x, y = int(left * (width - 56 + 1)), int(top * (height - 56 + 1))
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled.crop((x, y, x + 56, y + 56))).transpose(2, 0, 1).astype(float)
    assert np.abs(view(image, LEVEL1, top=top, left=left) - expected).max() <= 1


@pytest.mark.parametrize("settings", [LEVEL1, LEVEL2])
def test_mirrored_view_is_the_view_turned_round(settings: AugmentSettings) -> None:
    image = position_map(150, 130)
    plain, mirrored = view(image, settings, mirror=0.5), view(image, settings, mirror=0.49)
    assert np.array_equal(mirrored, plain[:, :, ::-1])
    assert not np.array_equal(mirrored, plain)


@pytest.mark.parametrize(("scale", "factor"), [(0.0, 256 / 480), (0.5, 1 - 112 / 480), (1.0, 1.0)])
def test_level_2_scales_the_shorter_side_to_a_part_of_the_source(scale: float, factor: float) -> None:
    image = position_map(360, 240)  # the source has 120: half of it
    left, top, right, bottom = window(view(image, LEVEL2, scale=scale), 360, 240)
    side = 56 / factor * 2
    assert right - left == pytest.approx(side, rel=0.02)
    assert bottom - top == pytest.approx(side, rel=0.02)
    assert (left + right) / 2 == pytest.approx(180, abs=1)
    assert (top + bottom) / 2 == pytest.approx(120, abs=1)


@pytest.mark.parametrize(("aspect", "ratio"), [(0.0, 0.75), (0.25, 0.875), (1.0, 1.25)])
def test_level_2_stretches_width_against_height(aspect: float, ratio: float) -> None:
    left, top, right, bottom = window(view(position_map(360, 240), LEVEL2, scale=1.0, aspect=aspect), 360, 240)
    down = 2 / (1 + ratio)
    assert right - left == pytest.approx(112 / (ratio * down), rel=0.02)
    assert bottom - top == pytest.approx(112 / down, rel=0.02)
    assert (bottom - top) / (right - left) == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize(
    ("draws", "edges"), [({"top": 0, "left": 0}, (0, 0)), ({"top": 0.9999, "left": 0.9999}, (360, 240))]
)
def test_level_2_reaches_every_edge_and_none_beyond(draws: dict[str, float], edges: tuple[int, int]) -> None:
    left, top, right, bottom = window(view(position_map(360, 240), LEVEL2, scale=0.3, **draws), 360, 240)
    assert (left if edges[0] == 0 else right) == pytest.approx(edges[0], abs=1)
    assert (top if edges[1] == 0 else bottom) == pytest.approx(edges[1], abs=1)


def test_level_2_narrows_a_window_that_is_wider_than_the_image() -> None:
    left, top, right, bottom = window(view(position_map(120, 240), LEVEL2, scale=0, aspect=0), 120, 240)
    assert (left, right) == (pytest.approx(0, abs=1), pytest.approx(120, abs=1))
    assert bottom - top == pytest.approx(56 / (256 / 480 * 2 / 1.75), rel=0.03)


@pytest.mark.parametrize(
    ("draw", "shift"),
    [("saturation", -50), ("saturation", 50), ("lightness", -50), ("lightness", 50), ("hue", -72), ("hue", 72)],
)
def test_level_2_shifts_colours_by_the_published_amounts(draw: str, shift: int) -> None:
    # In HSL: hue 210 degrees, saturation 1/2, lightness 1/2.
    image = Image.new("RGB", (80, 80), (64, 128, 191))
    pixel = view(image, LEVEL2, **{draw: 1.0 if shift > 0 else 0.0})[:, 28, 28] / 255
    top, bottom = pixel.max(), pixel.min()
    lightness = (top + bottom) / 2
    saturation = (top - bottom) / (1 - abs(2 * lightness - 1))
    assert saturation == pytest.approx(0.5 + (shift / 255 if draw == "saturation" else 0), abs=0.015)
    assert lightness == pytest.approx(0.5 + (shift / 255 if draw == "lightness" else 0), abs=0.01)
    if draw == "hue":
        # 282 degrees lie between blue and magenta, 138 between green and cyan.
        assert pixel.argmax() == (2 if shift > 0 else 1)
        assert pixel.argmin() == (1 if shift > 0 else 0)
        assert (sorted(pixel)[1] - bottom) / (top - bottom) == pytest.approx(0.7 if shift > 0 else 0.3, abs=0.02)


def test_level_1_leaves_colours_alone() -> None:
    image = Image.new("RGB", (80, 80), (64, 128, 191))
    assert np.array_equal(view(image, LEVEL1, hue=1, saturation=1, lightness=1)[:, 0, 0], [64, 128, 191])


@pytest.mark.parametrize("settings", [LEVEL1, LEVEL2])
@pytest.mark.parametrize(("W", "H"), [(1, 1), (1, 300), (300, 1), (7, 5), (2000, 1500)])
@pytest.mark.parametrize("value", [0.0, 0.37, 1 - 2**-53])
def test_image_of_any_size_has_a_view(settings: AugmentSettings, W: int, H: int, value: float) -> None:
    image = Image.new("RGB", (W, H), (128, 128, 128))
    pixels = view(image, settings, top=value, left=value, scale=value, aspect=value)
    assert pixels.shape == (3, 56, 56)
    assert np.all(pixels == 128)
