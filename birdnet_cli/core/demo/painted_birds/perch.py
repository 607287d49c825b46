"""Paint the branch or reed under the bird, its legs, and leaves and twigs in front of it."""

import math

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import Colour, Field, Points, Sketch, curve, mix, ribbon
from birdnet_cli.core.demo.painted_birds.palette import Palette
from birdnet_cli.core.demo.painted_birds.pose import Pose

__all__ = ["paint_foreground", "paint_legs", "paint_perch"]

BARK: dict[str, Colour] = {
    "foliage": (0.36, 0.29, 0.22),
    "sky": (0.42, 0.36, 0.31),
    "reeds": (0.66, 0.56, 0.32),
    "autumn": (0.34, 0.26, 0.20),
    "snow": (0.30, 0.26, 0.25),
    "water": (0.45, 0.42, 0.38),
    "blossom": (0.38, 0.28, 0.25),
}
LEAF: dict[str, Colour] = {
    "foliage": (0.30, 0.48, 0.16),
    "sky": (0.34, 0.52, 0.20),
    "reeds": (0.62, 0.58, 0.26),
    "autumn": (0.80, 0.44, 0.12),
    "snow": (0.42, 0.30, 0.22),
    "water": (0.36, 0.48, 0.24),
    "blossom": (0.92, 0.66, 0.72),
}


def paint_perch(image: Field, kind: str, pose: Pose, rng: np.random.Generator) -> None:
    """Paint a branch or a reed under the bird's feet."""
    size = image.shape[0]
    middle = pose.feet.mean(axis=0)
    half = pose.unit * (0.022 if kind == "reeds" else rng.uniform(0.03, 0.065))
    slope = rng.uniform(-0.3, 0.3)
    x = np.linspace(-0.1 * size, 1.1 * size, 9)
    bend = rng.normal(0.0, 0.012 * size, 9) * np.minimum(1.0, np.abs(x - middle[0]) / (0.25 * size))
    spine = curve(np.stack([x, middle[1] + half + slope * (x - middle[0]) + bend], axis=1))
    bark = mix(BARK[kind], (0.5, 0.45, 0.4), rng.uniform(0.0, 0.3))

    sketch = Sketch(size, spine, margin=3 * half + 0.2 * size)
    for _ in range(int(rng.integers(0, 4))):
        _draw_twig(sketch, spine, rng, size, half, bark, LEAF[kind])
    # From the dark rim to the lit back of the branch, in bands.
    thickness = half * (1.0 + 0.12 * rng.standard_normal(12))
    for inset, shift, share in ((1.0, 0.0, 0.0), (0.8, -0.12, 0.3), (0.55, -0.28, 0.65), (0.28, -0.42, 1.0)):
        tone = mix(mix(bark, (0.06, 0.05, 0.05), 0.5), mix(bark, (1.0, 0.95, 0.85), 0.18), share)
        sketch.shape(ribbon(spine + np.array([0.0, shift * half]), thickness * inset), tone)
    for start in rng.integers(0, len(spine) - 4, 26):
        offset = (0.0, rng.uniform(-0.8, 0.8) * half)
        sketch.line(spine[start : start + int(rng.integers(2, 5))] + offset, mix(bark, (0.1, 0.08, 0.07), 0.5))
    if kind == "snow":
        ridge = spine - (0.0, 0.75 * half)
        sketch.shape(ribbon(ridge, half * np.abs(0.5 + 0.3 * rng.standard_normal(14))), (0.95, 0.97, 1.0))
    sketch.merge(image)


def paint_legs(image: Field, pose: Pose, palette: Palette) -> None:
    """Paint both legs with their toes around the perch."""
    hips = pose.body.to_pixels(np.array([[0.03, 0.20], [-0.07, 0.18]]))
    sketch = Sketch(image.shape[0], np.concatenate([hips, pose.feet]), margin=0.12 * pose.unit)
    for hip, foot, share in zip(hips, pose.feet, (0.25, 0.0), strict=True):
        colour = mix(palette.leg, (0.1, 0.08, 0.08), share)
        sketch.line(np.stack([hip, foot]), colour, width=0.024 * pose.unit)
        for toe in (-0.028, 0.0, 0.03):
            start = foot + np.array([toe * 0.4, -0.008]) * pose.unit
            tip = foot + np.array([toe + pose.facing * 0.012, 0.045]) * pose.unit
            bow = (start + tip) / 2 + np.array([toe * 0.5, -0.006]) * pose.unit
            sketch.shape(ribbon(curve([start, bow, tip]), np.array([0.012, 0.012, 0.005]) * pose.unit), colour)
    sketch.merge(image)


def paint_foreground(image: Field, kind: str, pose: Pose, rng: np.random.Generator) -> None:
    """In 4 pictures of 10, paint a twig with a few blurred leaves in front of a part of the bird."""
    if rng.random() > 0.4:
        return
    size = image.shape[0]
    leaf = mix(LEAF[kind], (0.9, 0.9, 0.6), rng.uniform(0.0, 0.3))
    anchor = pose.body.to_pixels(np.array([[rng.uniform(-0.7, 0.4), rng.uniform(-0.1, 0.5)]]))[0]
    corner = np.array([rng.choice([0.0, 1.0]) * size, rng.uniform(0.4, 1.0) * size])
    spine = curve(np.stack([corner, (anchor + corner) / 2 + rng.normal(0, 0.04 * size, 2), anchor]))
    sketch = Sketch(size, np.array([[0.0, 0.0], [size, size]]))
    sketch.shape(ribbon(spine, (0.012 * size, 0.004 * size)), mix(leaf, (0.2, 0.15, 0.1), 0.5))
    for _ in range(int(rng.integers(2, 6))):
        place = spine[int(rng.integers(2, len(spine)))]
        _draw_leaf(sketch, place, rng.uniform(0.0, 2 * math.pi), size * rng.uniform(0.06, 0.12), leaf)
    sketch.merge(image, opacity=0.95, soften=size * rng.uniform(0.003, 0.01))


def _draw_twig(
    sketch: Sketch, spine: Points, rng: np.random.Generator, size: int, half: float, bark: Colour, leaf: Colour
) -> None:
    root = spine[int(rng.integers(0, len(spine)))]
    angle = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.2) + rng.choice([0.0, math.pi])
    reach = size * rng.uniform(0.1, 0.25)
    tip = root + reach * np.array([math.cos(angle), math.sin(angle)])
    path = curve([root, (root + tip) / 2 + rng.normal(0, 0.03 * size, 2), tip])
    sketch.shape(ribbon(path, (0.5 * half, 0.3 * half, 0.08 * half)), mix(bark, (0.1, 0.08, 0.07), 0.3))
    for place in path[5::4]:
        if rng.random() < 0.7:
            _draw_leaf(sketch, place, angle + rng.normal(0.0, 0.9), size * rng.uniform(0.05, 0.1), leaf)


def _draw_leaf(sketch: Sketch, root: Points, angle: float, length: float, colour: Colour) -> None:
    direction = np.array([math.cos(angle), math.sin(angle)])
    spine = root + np.linspace(0.0, length, 9)[:, None] * direction
    spine += np.outer(np.sin(np.linspace(0, np.pi, 9)) * 0.1 * length, (-direction[1], direction[0]))
    outline = ribbon(spine, np.array([0.02, 0.2, 0.28, 0.2, 0.02]) * length)
    sketch.shape(outline, mix(colour, (0.05, 0.1, 0.02), 0.25))
    sketch.shape(np.concatenate([spine, outline[:9][::-1]]), mix(colour, (1.0, 1.0, 0.7), 0.12))
    sketch.line(spine, mix(colour, (1.0, 1.0, 0.8), 0.4))
