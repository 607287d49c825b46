"""Light the painted plumage, and turn the finished scene into a photograph."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from birdnet_cli.core.demo.painted_birds.canvas import Field, Sketch, blur
from birdnet_cli.core.demo.painted_birds.pose import Pose

__all__ = ["Light", "compute_shading", "draw_light", "grade_photograph", "paint_feather_texture"]


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Args:
        direction: unit vector towards the sun: x right, y down, z to the viewer.
        warmth: share by which red is raised and blue lowered; negative is cold.
        exposure: factor on the brightness of the whole picture.
        contrast: how dark the shadow side is, 0..1.
    """

    direction: tuple[float, float, float]
    warmth: float
    exposure: float
    contrast: float


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a light from above: soft or hard, warm or cold, bright or dim."""
    direction = np.array([rng.uniform(-0.75, 0.75), -rng.uniform(0.45, 0.85), rng.uniform(0.45, 0.8)])
    x, y, z = (direction / np.linalg.norm(direction)).tolist()
    return Light(
        (x, y, z), float(rng.normal(0.0, 0.07)), float(rng.uniform(0.84, 1.18)), float(rng.uniform(0.45, 0.95))
    )


def compute_shading(pose: Pose, light: Light, silhouette: Field, wing: Field, surroundings: Field) -> Field:
    """Return the factors [H, W, 3] by which light and shadow multiply the flat plumage.

    The height of the surface is estimated from the blurred silhouette, and its slope gives the normals. Shadows take
    on the mean colour of the surroundings.

    Args:
        pose: where the bird sits.
        light: the light of the scene.
        silhouette: coverage [H, W] of trunk and head, 0..1.
        wing: coverage [H, W] of the wing, 0..1.
        surroundings: the scene behind the bird [H, W, 3], 0..1.
    """
    unit, size = pose.unit, silhouette.shape[0]
    u, v = pose.head.coordinates((slice(0, size), slice(0, size)))
    head = np.maximum(1.0 - u * u - v * v, 0.0) ** 2
    soft_wing = blur(wing, 0.025 * unit)
    height = 0.30 * blur(silhouette, 0.13 * unit) + 0.15 * blur(silhouette, 0.05 * unit)
    height += 0.085 * head + 0.04 * soft_wing
    slope_y, slope_x = np.gradient(height * unit * 1.15)
    normal = 1.0 / np.sqrt(slope_x**2 + slope_y**2 + 1.0)
    x, y, z = light.direction
    towards = -(slope_x * x + slope_y * y) * normal
    lit = np.maximum(z * normal + towards, 0.0) / max(z, 0.55)
    shade = 1.06 - light.contrast * 0.58 * (1.0 - lit)
    # A bright rim on the side of the sun.
    shade += 0.35 * light.contrast * np.maximum(towards, 0.0) * (1.0 - normal)
    # The wing casts a soft shadow on the flank below it.
    below = np.roll(soft_wing, round(0.03 * unit), axis=0) * (1.0 - wing)
    shade *= 1.0 - 0.3 * below
    ambient = surroundings.mean(axis=(0, 1))
    tint = ambient / ambient.mean() - 1.0
    shadow = np.clip(1.0 - shade, 0.0, 1.0)
    tinted: Field = shade[..., None] * (1.0 + 0.55 * shadow[..., None] * tint)
    return tinted


def paint_feather_texture(image: Field, pose: Pose, rng: np.random.Generator) -> None:
    """Paint fine light and dark strokes in the direction of the feathers over `image` [H, W, 3]."""
    count = 600
    x = rng.uniform(-0.6, 0.7, count)
    starts = np.stack([x, rng.uniform(-0.48, 0.36, count) - 0.08 * x], axis=1)
    lengths = rng.uniform(0.02, 0.055, count)
    droops = 0.2 + rng.normal(0.0, 0.25, count) + 0.6 * np.maximum(x, 0.0)
    ends = starts + lengths[:, None] * np.stack([-np.cos(droops), np.sin(droops)], axis=1)
    strokes = np.stack([pose.body.to_pixels(starts), pose.body.to_pixels(ends)], axis=1)  # [count, 2, 2]
    for share, tone, opacity in ((strokes[::2], (0.12, 0.09, 0.06), 0.22), (strokes[1::2], (1.0, 0.97, 0.9), 0.18)):
        sketch = Sketch(image.shape[0], share.reshape(-1, 2))
        sketch.strokes(share, tone, width=0.005 * pose.unit)
        sketch.merge(image, opacity=opacity)


def grade_photograph(scene: Field, light: Light, rng: np.random.Generator) -> Image.Image:
    """Return the scene [H, W, 3] as a photograph: colour cast, exposure, a darker side, slight blur and grain."""
    size = scene.shape[0]
    cast = np.array([1.0 + light.warmth, 1.0, 1.0 - light.warmth], np.float32) * light.exposure
    angle = rng.uniform(0.0, 2 * math.pi)
    ramp = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    slope = 1.0 + rng.uniform(0.0, 0.13) * (math.cos(angle) * ramp[None, :] + math.sin(angle) * ramp[:, None])
    slope += rng.uniform(0.004, 0.02) * rng.standard_normal(slope.shape, dtype=np.float32)
    picture = scene * slope[..., None] * cast
    photograph = Image.fromarray((np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
    return photograph.filter(ImageFilter.GaussianBlur(size / 256 * rng.uniform(0.0, 0.85)))
