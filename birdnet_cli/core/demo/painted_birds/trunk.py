"""Paint a bird's trunk and tail: outline, ground colours, breast marks and rump."""

import math

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import (
    Colour,
    Field,
    Points,
    Sketch,
    blend,
    curve,
    mix,
    noise,
    ribbon,
    smoothstep,
)
from birdnet_cli.core.demo.painted_birds.palette import Palette
from birdnet_cli.core.demo.painted_birds.pose import HEAD_RADIUS, Pose
from birdnet_cli.core.demo.painted_birds.species import Species

__all__ = ["paint_breast_marks", "paint_ground", "paint_rump", "paint_silhouette", "paint_tail"]


def paint_silhouette(size: int, pose: Pose, rng: np.random.Generator) -> Field:
    """Return the coverage [size, size] of trunk and head, with a downy rim on breast and belly."""
    angles = np.radians((-158.0, -122.0, -86.0, -50.0, -14.0, 22.0, 52.0))
    ring = np.stack([pose.facing * np.cos(angles), np.sin(angles)], axis=1)
    head = pose.head.origin + HEAD_RADIUS * pose.unit * ring
    belly = np.array([(0.43, 0.13), (0.30, 0.265), (0.08, 0.325), (-0.17, 0.27), (-0.38, 0.15)]) * (1.0, pose.fluffed)
    back = np.array([(-0.54, 0.07), (-0.55, -0.04), (-0.38, -0.14), (-0.16, -0.23), (0.05, -0.285), (0.20, -0.30)])
    outline = curve(np.concatenate([head, pose.body.to_pixels(np.concatenate([belly, back]))]), closed=True)
    sketch = Sketch(size, outline)
    sketch.shape(outline, (0.0, 0.0, 0.0))
    # Hairs that start on the outline of breast and belly and point to the tail, a little outwards.
    first, last = 7 * len(head), 7 * (len(head) + len(belly))
    for start in rng.integers(first, last, 50):
        end = outline[start + 3]
        outward = (end - pose.body.origin) * rng.uniform(0.02, 0.06)
        sketch.line(np.stack([outline[start], end + outward]), (0.0, 0.0, 0.0), width=0.012 * pose.unit)
    return sketch.merge(np.zeros((size, size, 3), np.float32))


def paint_ground(image: Field, pose: Pose, palette: Palette, rng: np.random.Generator) -> None:
    """Fill `image` [H, W, 3] with the colours of an unmarked bird: dark above, buff breast, pale belly."""
    size = image.shape[0]
    u, v = pose.body.coordinates((slice(0, size), slice(0, size)))
    ragged = 0.06 * (noise(rng, (size, size), cells=(40, 40)) - 0.5)
    image[:] = palette.breast
    blend(image, smoothstep(0.30, -0.02, u) * smoothstep(0.02, 0.22, v), palette.belly)
    blend(image, 0.6 * smoothstep(0.28, 0.10, v + ragged) * smoothstep(0.36, 0.15, u), palette.flank)
    blend(image, smoothstep(0.04, -0.06, v + ragged - 0.05 * u), palette.back)
    mantle = Sketch(size, pose.body.to_pixels(np.array([[-0.3, -0.3], [0.4, -0.3], [0.4, 0.0], [-0.3, 0.0]])))
    for row, x in enumerate(np.arange(-0.2, 0.34, 0.06)):
        for y in np.arange(-0.27 + 0.024 * (row % 2), -0.06, 0.048):
            spine = np.array([x, y]) + rng.normal(0.0, 0.006, 2) + np.outer(np.linspace(0.03, -0.04, 5), (1.0, -0.15))
            mantle.shape(pose.body.to_pixels(ribbon(spine, (0.003, 0.011, 0.013, 0.003))), palette.covert)
    mantle.merge(image, opacity=0.55, soften=0.006 * pose.unit)


def paint_breast_marks(image: Field, pose: Pose, palette: Palette, species: Species, rng: np.random.Generator) -> None:
    """Paint streaks or spots over the breast and the flanks, in staggered rows as feathers lie."""
    if species.breast == "plain":
        return
    sketch = Sketch(image.shape[0], pose.body.to_pixels(np.array([[-0.2, -0.1], [0.7, -0.1], [0.7, 0.4], [-0.2, 0.4]])))
    for row, u in enumerate(np.arange(0.0, 0.56, 0.06)):
        for v in np.arange(-0.06 + 0.027 * (row % 2), 0.29, 0.054):
            place = np.array([u, v]) + rng.normal(0.0, 0.010, 2)
            if place[1] < 0.12 - 0.36 * max(place[0] - 0.05, 0.0) or place[1] > 0.16 + 0.5 * place[0]:
                continue
            strength = rng.uniform(0.75, 1.15)
            if species.breast == "streaked":
                spine = place + np.outer(np.linspace(-0.045, 0.045, 6) * strength, (1.0, -0.45 + 0.3 * rng.random()))
                sketch.shape(pose.body.to_pixels(ribbon(spine, (0.002, 0.0085, 0.013, 0.004))), palette.streak)
            else:
                sketch.disc(pose.body.to_pixels(place[None])[0], 0.0165 * strength * pose.unit, palette.streak)
    sketch.merge(image, opacity=0.88)


def paint_rump(image: Field, pose: Pose, palette: Palette, species: Species) -> None:
    """Paint the rump patch between back and tail, if the species has it."""
    if not species.ochre_rump:
        return
    size = image.shape[0]
    u, v = pose.body.coordinates((slice(0, size), slice(0, size)))
    blend(image, smoothstep(1.0, 0.7, np.sqrt(((u + 0.38) / 0.27) ** 2 + ((v + 0.10) / 0.16) ** 2)), palette.ochre)


def paint_tail(image: Field, pose: Pose, palette: Palette, species: Species, rng: np.random.Generator) -> Field:
    """Paint the folded tail and return its coverage [H, W]."""
    long = species.tail == "long"
    length = (0.74 if long else 0.47) * rng.uniform(0.95, 1.05)
    spread = rng.uniform(0.9, 1.3)
    root = np.array([-0.40, 0.0])
    along = np.array([-math.cos(pose.tail_angle), math.sin(pose.tail_angle)])
    across = np.array([along[1], -along[0]])

    feathers: list[tuple[Points, Colour]] = []
    for place in (-1.0, 1.0, -0.6, 0.6, -0.2, 0.2):
        white = species.tail == "white-edged" and abs(place) == 1.0
        # The outer feathers are the longest in a notched tail and the shortest in a long tail.
        reach = length + abs(place) * (-0.06 if long else 0.045)
        start, end = root + across * 0.05 * place, root + along * reach + across * 0.062 * spread * place
        spine = start + np.linspace(0, 1, 9)[:, None] * (end - start)
        widths = np.array((1.0, 1.0, 1.0, 1.0, 0.4)) * 0.036
        feathers.append((ribbon(spine, widths), palette.pale if white else palette.fringe))
        inner = spine - across * np.sign(place) * (0.02 if white else 0.006) - along * (0.02 if white else 0.006)
        tone = mix(palette.quill, palette.covert, rng.uniform(0.0, 0.45))
        feathers.append((ribbon(inner, widths * 0.88), tone))
    sketch = Sketch(image.shape[0], pose.body.to_pixels(np.concatenate([points for points, _ in feathers])))
    for points, colour in feathers:
        sketch.shape(pose.body.to_pixels(points), colour)
    return sketch.merge(image)
