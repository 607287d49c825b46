"""Paint the folded wing feather by feather: flight feathers, tertials, coverts and their pale bars."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import Colour, Field, Points, Sketch, mix, ribbon, smoothstep
from birdnet_cli.core.demo.painted_birds.palette import Palette
from birdnet_cli.core.demo.painted_birds.pose import Pose
from birdnet_cli.core.demo.painted_birds.species import Species

__all__ = ["paint_wing"]

SHOULDER = np.array([0.30, -0.05])
# Half width of a feather from base to tip, as a share of its largest half width.
FEATHER = np.array([0.7, 0.95, 1.0, 1.0, 0.85, 0.3])
# Positions along a quill, as shares of its length, and how far the quill sags there, as a share of its length.
ALONG = np.linspace(0.0, 1.0, 9)[:, None]
SAG = 0.05 * np.sin(np.pi * ALONG) * (0.0, 1.0)


@dataclass(frozen=True)
class Feather:
    """A feather in the body frame.

    Args:
        base: start of the quill.
        tip: end of the quill.
        half: half of the largest width.
        fill: colour of the inner part.
        edge: colour of the rim and of the tip.
        tip_length: length of the part at the tip that has the colour of the edge.
    """

    base: tuple[float, float]
    tip: tuple[float, float]
    half: float
    fill: Colour
    edge: Colour
    tip_length: float = 0.012


def paint_wing(image: Field, pose: Pose, palette: Palette, species: Species, rng: np.random.Generator) -> Field:
    """Paint the wing over the trunk and return its coverage [H, W]."""
    droop = rng.normal(0.04, 0.05)
    cosine, sine = math.cos(droop), math.sin(droop)
    turn = np.array([[cosine, -sine], [sine, cosine]])

    def placed(points: Points) -> Points:
        return pose.body.to_pixels((points - SHOULDER) @ turn.T + SHOULDER)

    corners = np.array([[0.42, -0.25], [0.42, 0.25], [-0.9, 0.25], [-0.9, -0.25]])
    sketch = Sketch(image.shape[0], placed(corners))
    for feather in (*_flight_feathers(palette), *_coverts(palette, species)):
        start, end = np.array(feather.base), np.array(feather.tip)
        length = float(np.hypot(*(end - start)))
        sag = SAG * length
        spine = start + ALONG * (end - start) + sag
        inner = start + ALONG * (1.0 - feather.tip_length / length) * (end - start) + sag
        tone = mix(feather.fill, palette.back, rng.uniform(0.0, 0.3))
        sketch.shape(placed(ribbon(spine, FEATHER * feather.half)), feather.edge)
        sketch.shape(placed(ribbon(inner, FEATHER * feather.half * 0.84)), tone)
        sketch.line(placed(inner[:-1]), mix(tone, palette.quill, 0.5))
    # Breast and mantle feathers cover the bend of the wing.
    size = image.shape[0]
    u, v = pose.body.coordinates((slice(0, size), slice(0, size)))
    return sketch.merge(image, opacity=smoothstep(0.34, 0.22, u + 0.25 * v) * smoothstep(-0.26, -0.20, v))


def _flight_feathers(palette: Palette) -> Iterator[Feather]:
    for step in np.linspace(0.0, 1.0, 5):  # primaries, the longest first
        tip = (-0.80 + 0.30 * step, -0.03 + 0.10 * step)
        yield Feather((-0.05, 0.08 * step), tip, 0.03, palette.quill, palette.fringe)
    for step in np.linspace(1.0, 0.0, 5):  # secondaries
        tip = (-0.50 + 0.12 * step, -0.01 + 0.11 * step)
        yield Feather((0.02, -0.07 + 0.17 * step), tip, 0.033, palette.quill, palette.fringe, 0.004)
    tone = mix(palette.quill, palette.covert, 0.5)
    for step in np.linspace(0.0, 1.0, 3):  # tertials
        tip = (-0.42 + 0.15 * step, -0.05 - 0.08 * step)
        yield Feather((0.05, -0.11 - 0.03 * step), tip, 0.045, tone, palette.fringe, 0.016)


def _coverts(palette: Palette, species: Species) -> Iterator[Feather]:
    # A wing bar is a row of coverts with long pale tips. Every species has the lower bar; rows without a bar have
    # narrow fringes.
    plain = mix(palette.covert, palette.fringe, 0.55)
    rows = (
        (7, 0.20, -0.045, 0.030, True, palette.covert),
        (6, 0.29, 0.105, 0.033, species.wing_bars == 2, mix(palette.covert, palette.back, 0.4)),
        (5, 0.35, 0.205, 0.038, False, mix(palette.covert, palette.back, 0.8)),
    )
    for count, base, tip, half, barred, fill in rows:
        for step in np.linspace(1.0, 0.0, count):
            y = -0.15 + 0.27 * step
            back = 0.05 * step * step
            edge, tip_length = (palette.bar, 0.036) if barred else (plain, 0.012)
            yield Feather((base, 0.75 * y), (tip - back, y), half, fill, edge, tip_length)
