"""Paint a bird's head: its marks on a sphere that turns, then the bill and the eye."""

import math

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import (
    Field,
    Points,
    Sketch,
    blend,
    curve,
    mix,
    noise,
    smoothstep,
    window_around,
)
from birdnet_cli.core.demo.painted_birds.palette import Palette
from birdnet_cli.core.demo.painted_birds.pose import HEAD_RADIUS, Pose
from birdnet_cli.core.demo.painted_birds.species import Species

__all__ = ["paint_bill", "paint_eye", "paint_head"]

# Where an eye sits on a head of radius 1: x to the bill, y down, z to the viewer; the other eye has z negated.
EYE = (0.44, -0.14, 0.887)


def paint_head(image: Field, pose: Pose, palette: Palette, species: Species, rng: np.random.Generator) -> None:
    """Paint the colours of face, crown and throat over `image` [H, W, 3], fading into the neck."""
    window = window_around(image.shape[0], pose.head.origin[None], margin=1.6 * HEAD_RADIUS * pose.unit)
    u, v = pose.head.coordinates(window)
    radius: Field = np.sqrt(u * u + v * v)
    inside: Field = np.minimum(0.999 / np.maximum(radius, 1e-6), 1.0)
    flat_x, flat_y = u * inside, v * inside
    depth: Field = np.sqrt(1.0 - flat_x * flat_x - flat_y * flat_y)
    # Pixel -> the point of the unturned head that the turned head shows there.
    cosine, sine = math.cos(pose.turn), math.sin(pose.turn)
    x: Field = flat_x * cosine + depth * sine
    y: Field = flat_y + 0.07 * (noise(rng, radius.shape, cells=(24, 24)) - 0.5)
    z: Field = depth * cosine - flat_x * sine
    edge = 0.05

    head = np.full((*radius.shape, 3), palette.face, np.float32)
    blend(head, smoothstep(-0.25, -0.7, x), mix(palette.back, palette.face, 0.25))
    chin: Field = y - x * 0.3
    blend(head, smoothstep(0.07, 0.35, chin), palette.breast)
    cheek = np.sqrt(((x + 0.02) / 0.42) ** 2 + ((y - 0.20) / 0.26) ** 2)
    blend(head, 0.45 * smoothstep(1.0, 0.5, cheek), mix(palette.back, palette.face, 0.2))
    blend(head, 0.5 * smoothstep(0.09, 0.02, np.abs(y + 0.05)) * smoothstep(0.4, 0.7, x), palette.lore)

    # The cap ends on a line from the bill over the eye to the nape.
    cap_line: Field = -0.28 - x * 0.10
    if species.supercilium:
        line = np.abs(y + 0.12) - 0.05
        blend(head, smoothstep(edge, -edge, line) * smoothstep(-0.75, -0.5, x), palette.lore)
        brow = np.abs(y - cap_line - 0.03) - 0.085
        blend(head, smoothstep(edge, -edge, brow) * smoothstep(-0.8, -0.55, x), palette.pale)
    crown = palette.rufous if species.rufous_crown else palette.back
    cap = smoothstep(edge, -edge, y - cap_line + (0.10 if species.supercilium else 0.0))
    blend(head, cap, crown)
    streaky = smoothstep(0.5, 0.9, noise(rng, radius.shape, cells=(36, 10)))
    blend(head, cap * streaky, mix(crown, (0.1, 0.08, 0.06), 0.35))
    if species.crown_stripe:
        blend(head, cap * smoothstep(0.42, 0.28, np.abs(z)), palette.pale)
    if species.saffron_throat:
        blend(head, smoothstep(0.16, 0.30, y - x * 0.18) * smoothstep(-0.25, 0.05, x), palette.saffron)
    for side in (1.0, -1.0):
        aside = np.sqrt((x - EYE[0]) ** 2 + (y - EYE[1]) ** 2 + (z - side * EYE[2]) ** 2)
        ring, opacity = (palette.ring, 1.0) if species.eye_ring else (mix(palette.face, palette.pale, 0.35), 0.5)
        blend(head, opacity * smoothstep(0.31, 0.26, aside), ring)
    # The throat's colour fades into the breast; on a bird that looks back it must not reach the back.
    blend(image[window], smoothstep(1.1 if pose.looks_back else 1.45, 0.85, radius), head)


def paint_bill(image: Field, pose: Pose, palette: Palette, species: Species) -> None:
    """Paint both halves of the bill."""
    stout = species.bill == "stout"
    colour = palette.pale_bill if stout else palette.dark_bill
    reach, height = (1.50, 0.33) if stout else (1.48, 0.18)

    def placed(points: Points) -> Points:
        return pose.head.to_pixels(points * (math.cos(pose.turn), 1.0))

    gape = 0.05
    ridge = [(0.78, gape - height), (1.1, gape - 0.86 * height), (1.34, gape - 0.4 * height), (reach, gape + 0.04)]
    upper = curve([*ridge, (1.2, gape), (0.78, gape)], closed=True)
    keel = [(reach - 0.06, gape + 0.03), (1.15, gape + 0.6 * height), (0.78, gape + 0.75 * height)]
    lower = curve([(0.78, gape), (1.2, gape), *keel], closed=True)
    shine = curve([(0.93, gape - 0.72 * height), (1.13, gape - 0.6 * height), (1.32, gape - 0.25 * height)])
    sketch = Sketch(image.shape[0], placed(np.concatenate([upper, lower])))
    sketch.shape(placed(lower), mix(colour, (0.1, 0.08, 0.08), 0.28))
    sketch.shape(placed(upper), colour)
    sketch.line(placed(shine), mix(colour, (1.0, 1.0, 1.0), 0.35), width=0.012 * pose.unit)
    mouth = curve([(0.72, gape + 0.03), (1.1, gape), (reach - 0.05, gape + 0.02)])
    sketch.line(placed(mouth), mix(colour, (0.0, 0.0, 0.0), 0.6))
    sketch.merge(image)


def paint_eye(image: Field, pose: Pose, rng: np.random.Generator) -> None:
    """Paint the eye that the viewer sees, with a glint."""
    seen_x = EYE[0] * math.cos(pose.turn) - EYE[2] * math.sin(pose.turn)
    centre = pose.head.to_pixels(np.array([[seen_x, EYE[1]]]))[0]
    radius = 0.165 * HEAD_RADIUS * pose.unit
    sketch = Sketch(image.shape[0], centre[None], margin=2 * radius + 2)
    sketch.disc(centre, radius * 1.12, (0.10, 0.07, 0.05))
    sketch.disc(centre, radius * 0.95, (0.22, 0.12, 0.06))
    sketch.disc(centre, radius * 0.7, (0.02, 0.02, 0.02))
    sketch.disc(centre + radius * np.array([rng.uniform(-0.5, 0.5), -0.42]), radius * 0.28, (1.0, 1.0, 1.0))
    sketch.merge(image)
