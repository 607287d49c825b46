"""Paint a blurred background: foliage, sky, reeds, autumn wood, snow, water or blossom."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from birdnet_cli.core.demo.painted_birds.canvas import Colour, Field, blend, noise

__all__ = ["BACKDROPS", "paint_backdrop"]

BACKDROPS = ("foliage", "sky", "reeds", "autumn", "snow", "water", "blossom")


def paint_backdrop(kind: str, size: int, rng: np.random.Generator) -> Field:
    """Return a blurred background [size, size, 3] in 0..1.

    Args:
        kind: a name of `BACKDROPS`.
        size: width and height in pixels.
        rng: draws the colours and the shapes.
    """
    painter: Callable[[int, np.random.Generator], Field] = {
        "foliage": _foliage,
        "sky": _sky,
        "reeds": _reeds,
        "autumn": _autumn,
        "snow": _snow,
        "water": _water,
        "blossom": _blossom,
    }[kind]
    small = painter(max(size // 2, 16), rng)
    channels = [Image.fromarray(small[..., c]).resize((size, size), Image.Resampling.BICUBIC) for c in range(3)]
    large: Field = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(large, 0.0, 1.0)


def _foliage(size: int, rng: np.random.Generator) -> Field:
    dark: Colour = (0.10 + 0.1 * rng.random(), 0.22 + 0.1 * rng.random(), 0.08)
    lit: Colour = (0.50 + 0.2 * rng.random(), 0.66, 0.28 + 0.1 * rng.random())
    image = _cloudy(size, rng, dark, lit)
    return _bokeh(image, rng, lit, (0.95, 0.97, 0.72), count=int(rng.integers(10, 34)))


def _autumn(size: int, rng: np.random.Generator) -> Field:
    lit: Colour = (0.86, 0.55 + 0.12 * rng.random(), 0.24)
    image = _cloudy(size, rng, (0.26, 0.17, 0.10), lit)
    return _bokeh(image, rng, lit, (1.0, 0.86, 0.5), count=int(rng.integers(8, 26)))


def _sky(size: int, rng: np.random.Generator) -> Field:
    image = _ramp(size, _varied((0.30, 0.52, 0.80), rng), _varied((0.80, 0.88, 0.94), rng))
    blend(image, 0.75 * np.clip(_octaves(size, rng, (2, 3)) * 2.2 - 0.9, 0.0, 1.0), (0.98, 0.97, 0.96))
    return image


def _reeds(size: int, rng: np.random.Generator) -> Field:
    image = _cloudy(size, rng, (0.40, 0.38, 0.22), (0.80, 0.74, 0.50))
    return _stems(image, rng, ((0.72, 0.62, 0.34), (0.42, 0.44, 0.20), (0.88, 0.80, 0.55)), count=26)


def _snow(size: int, rng: np.random.Generator) -> Field:
    image = _cloudy(size, rng, (0.60, 0.67, 0.76), (0.90, 0.93, 0.97))
    image = _stems(image, rng, ((0.50, 0.52, 0.56), (0.62, 0.62, 0.66)), count=int(rng.integers(3, 9)))
    return _bokeh(image, rng, (0.9, 0.93, 0.98), (1.0, 1.0, 1.0), count=int(rng.integers(14, 40)), largest=0.035)


def _water(size: int, rng: np.random.Generator) -> Field:
    image = _ramp(size, _varied((0.52, 0.64, 0.68), rng), _varied((0.20, 0.34, 0.40), rng))
    ripples = noise(rng, (size, size), cells=(26, 3)) + 0.6 * noise(rng, (size, size), cells=(60, 7)) - 0.8
    image *= 1.0 + 0.34 * ripples[..., None]
    return image


def _blossom(size: int, rng: np.random.Generator) -> Field:
    image = _cloudy(size, rng, (0.34, 0.40, 0.30), (0.80, 0.80, 0.70))
    return _bokeh(image, rng, (0.93, 0.66, 0.74), (1.0, 0.92, 0.93), count=int(rng.integers(14, 36)), largest=0.08)


def _varied(colour: Colour, rng: np.random.Generator) -> Colour:
    red, green, blue = (part + change for part, change in zip(colour, rng.normal(0.0, 0.04, 3).tolist(), strict=True))
    return red, green, blue


def _ramp(size: int, top: Colour, bottom: Colour) -> Field:
    image = np.full((size, size, 3), top, np.float32)
    blend(image, np.repeat(np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None], size, axis=1), bottom)
    return image


def _octaves(size: int, rng: np.random.Generator, cells: tuple[int, int]) -> Field:
    rows, columns = cells
    total = noise(rng, (size, size), cells=(rows + 1, columns + 1)) * 0.6
    total += noise(rng, (size, size), cells=(rows * 2 + 1, columns * 2 + 1)) * 0.28
    total += noise(rng, (size, size), cells=(rows * 5, columns * 5)) * 0.12
    return total


def _cloudy(size: int, rng: np.random.Generator, dark: Colour, lit: Colour) -> Field:
    image = np.full((size, size, 3), dark, np.float32)
    blend(image, np.clip(_octaves(size, rng, (3, 3)) * 1.7 - 0.35, 0.0, 1.0), lit)
    return image


def _bokeh(
    image: Field, rng: np.random.Generator, first: Colour, second: Colour, *, count: int, largest: float = 0.11
) -> Field:
    size = image.shape[0]
    for colour in (first, second):
        layer = Image.new("L", (size * 2, size * 2), 0)
        draw = ImageDraw.Draw(layer)
        for x, y, r, tone in rng.random((count, 4)):
            radius = 2 * size * largest * (0.25 + 0.75 * r)
            box = (2 * size * x - radius, 2 * size * y - radius, 2 * size * x + radius, 2 * size * y + radius)
            draw.ellipse(box, fill=round(30 + 90 * tone))
        soft = layer.reduce(2).filter(ImageFilter.GaussianBlur(size * 0.008))
        blend(image, np.asarray(soft, np.float32) / 255.0, colour)
    return image


def _stems(image: Field, rng: np.random.Generator, colours: tuple[Colour, ...], *, count: int) -> Field:
    size = image.shape[0]
    picture = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for x, lean, thick, tone in rng.random((count, 4)):
        red, green, blue = colours[int(tone * len(colours))]
        shift = (lean - 0.5) * 0.5 * size
        line = (x * size - shift, -4, x * size + shift, size + 4)
        draw.line(
            line, fill=(round(red * 255), round(green * 255), round(blue * 255)), width=1 + round(thick * size * 0.03)
        )
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(size * 0.016)), np.float32) / 255.0
