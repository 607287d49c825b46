"""Draw on a float image: smooth curves, anti-aliased shapes, soft fields and noise."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

__all__ = [
    "Colour",
    "Field",
    "Points",
    "Sketch",
    "Window",
    "blend",
    "blur",
    "curve",
    "mix",
    "noise",
    "ribbon",
    "smoothstep",
    "window_around",
]

Colour: TypeAlias = tuple[float, float, float]  # red, green, blue in 0..1
Field: TypeAlias = npt.NDArray[np.float32]  # [H, W], or [H, W, 3] for an image
Points: TypeAlias = npt.NDArray[np.float64]  # [N, 2], x to the right, y down
Window: TypeAlias = tuple[slice, slice]  # rows, columns

# Shapes are drawn this many times larger and averaged down, which smooths their edges.
SUPERSAMPLING = 3


class Sketch:
    """Flat shapes drawn one over the other in a window of the image, then merged into it with smooth edges.

    Args:
        size: width and height of the image in pixels.
        around: points [N, 2] in pixels; the sketch covers their bounding box, cut to the image.
        margin: pixels added on every side.
    """

    def __init__(self, size: int, around: Points, *, margin: float = 2.0) -> None:
        self._window = window_around(size, around, margin=margin)
        rows, columns = self._window
        self._corner = np.array([columns.start, rows.start])
        shape = ((columns.stop - columns.start) * SUPERSAMPLING, (rows.stop - rows.start) * SUPERSAMPLING)
        # Four plain channels, the last of them the coverage: averaging them gives colours weighted by their coverage.
        self._image = Image.new("RGBX", shape, (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def shape(self, points: Points, colour: Colour) -> None:
        """Fill a closed outline [N, 2] in pixels."""
        self._draw.polygon(self._scaled(points), fill=_ink(colour))

    def line(self, points: Points, colour: Colour, *, width: float = 0.0) -> None:
        """Draw an open line [N, 2] of `width` pixels; 0 is a hairline."""
        self._draw.line(self._scaled(points), fill=_ink(colour), width=max(1, round(width * SUPERSAMPLING)))

    def strokes(self, strokes: Points, colour: Colour, *, width: float) -> None:
        """Draw many straight strokes [N, 2, 2] (start and end) of `width` pixels."""
        ink, thickness = _ink(colour), max(1, round(width * SUPERSAMPLING))
        for stroke in ((strokes - self._corner) * SUPERSAMPLING).reshape(-1, 4).tolist():
            self._draw.line(stroke, fill=ink, width=thickness)

    def disc(self, centre: Points, radius: float, colour: Colour) -> None:
        """Fill a disc of `radius` pixels around `centre` [2]."""
        x, y = (centre - self._corner) * SUPERSAMPLING
        r = radius * SUPERSAMPLING
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=_ink(colour))

    def merge(self, image: Field, *, opacity: float | Field = 1.0, soften: float = 0.0) -> Field:
        """Paint the sketch into `image` [H, W, 3] in place and return its coverage [H, W].

        Args:
            image: the picture so far, 0..1.
            opacity: factor on the coverage in 0..1, a number or [H, W].
            soften: radius in pixels by which the sketch is blurred.
        """
        small = self._image.reduce(SUPERSAMPLING)
        if soften:
            small = small.filter(ImageFilter.GaussianBlur(soften))
        layer = np.asarray(small, dtype=np.float32) / 255.0  # [h, w, 4]
        layer = layer * (opacity[self._window][..., None] if isinstance(opacity, np.ndarray) else opacity)
        part = image[self._window]
        part *= 1.0 - layer[..., 3:]
        part += layer[..., :3]
        coverage = np.zeros(image.shape[:2], np.float32)
        coverage[self._window] = layer[..., 3]
        return coverage

    def _scaled(self, points: Points) -> list[float]:
        scaled: list[float] = ((points - self._corner) * SUPERSAMPLING).ravel().tolist()
        return scaled


def window_around(size: int, points: Points, *, margin: float = 0.0) -> Window:
    """Return the rows and columns of an image of `size` pixels that hold `points` [N, 2] and a margin; 1x1 at least."""
    low = np.clip(np.floor(points.min(axis=0) - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + margin), low + 1, size).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def curve(points: Sequence[Sequence[float]] | Sequence[Points] | Points, *, closed: bool = False) -> Points:
    """Return a Catmull-Rom curve through control points [N, 2], seven points for each span."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]  # [spans, 1, 2]
    t = np.arange(7)[:, None] / 7.0
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    smooth = spans.reshape(-1, 2)
    return smooth if closed else np.concatenate([smooth, knots[-1:]])


def ribbon(spine: Points, widths: Sequence[float] | npt.NDArray[np.float64]) -> Points:
    """Return the outline of a band along `spine` [N, 2] whose half width runs through `widths` from end to end."""
    count = len(spine)
    direction = np.empty_like(spine)
    direction[1:-1] = spine[2:] - spine[:-2]
    direction[0], direction[-1] = spine[1] - spine[0], spine[-1] - spine[-2]
    length = np.maximum(np.hypot(direction[:, 0], direction[:, 1]), 1e-9)
    half = np.interp(np.arange(count) * ((len(widths) - 1) / (count - 1)), np.arange(len(widths)), widths) / length
    aside = np.stack([-direction[:, 1] * half, direction[:, 0] * half], axis=1)
    return np.concatenate([spine + aside, (spine - aside)[::-1]])


def blend(image: Field, coverage: Field, colour: Colour | Field) -> None:
    """Paint `colour` over `image` [H, W, 3] in place, with the opacity `coverage` [H, W] in 0..1."""
    image += coverage[..., None] * (np.asarray(colour, np.float32) - image)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that lies `share` (0..1) of the way from `first` to `second`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def smoothstep(low: float, high: float, values: Field) -> Field:
    """Return 0 at `low`, 1 at `high` and beyond, and a smooth slope between; `low` may exceed `high`."""
    t: Field = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blur(field: Field, radius: float) -> Field:
    """Return `field` [H, W] after three box blurs: about a Gaussian of standard deviation 1.0 to 1.4 times `radius`.

    A wide blur is computed on a reduced copy; the difference is not visible.
    """
    factor = max(1, min(8, int(radius / 1.5)))
    height, width = field.shape
    small = np.asarray(Image.fromarray(np.ascontiguousarray(field)).reduce(factor)) if factor > 1 else field
    reach = max(1, round(radius / factor))
    for axis in (0, 1, 0, 1, 0, 1):
        pad = [(reach + 1, reach) if axis == side else (0, 0) for side in (0, 1)]
        total = np.cumsum(np.pad(small, pad, mode="edge"), axis=axis, dtype=np.float64)
        span = 2 * reach + 1
        difference = total[span:] - total[:-span] if axis == 0 else total[:, span:] - total[:, :-span]
        small = (difference / span).astype(np.float32)
    if factor == 1:
        return small
    # The reduced copy's last cells may reach beyond the field; the box cuts them at its border.
    box = (0.0, 0.0, width / factor, height / factor)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC, box=box))


def noise(rng: np.random.Generator, shape: tuple[int, int], *, cells: tuple[int, int]) -> Field:
    """Return smooth noise of `shape` (rows, columns) in about 0..1 from a lattice of `cells` random values."""
    lattice = rng.random(cells, dtype=np.float32)
    return np.asarray(Image.fromarray(lattice).resize(shape[::-1], Image.Resampling.BICUBIC))


def _ink(colour: Colour) -> tuple[int, int, int, int]:
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in colour)
    return red, green, blue, 255
