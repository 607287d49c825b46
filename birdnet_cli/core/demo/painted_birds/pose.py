"""Draw a pose: place and size of the bird, the side it faces, and the angles of head and tail."""

import math
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import Field, Points, Window

__all__ = ["HEAD_RADIUS", "CoordinateFrame", "Pose", "draw_pose"]

# In the body frame, whose unit is the length of the trunk.
HEAD_RADIUS = 0.225
HEAD_CENTRE = (0.43, -0.20)
# Distance of the bill's tip from the middle of the head, in head radii, with a margin.
HEAD_REACH = 1.65


@dataclass(frozen=True)
class CoordinateFrame:
    """A flat coordinate system in the picture: x points where the bird (or its head) faces, y to its underside.

    Args:
        origin: where (0, 0) lies, pixels.
        axes: matrix [2, 2] from the frame's units to pixels.
    """

    origin: Points
    axes: Points

    def to_pixels(self, points: Points) -> Points:
        """Return points [N, 2] of the frame in pixels."""
        return np.asarray(points, np.float64) @ self.axes.T + self.origin

    def coordinates(self, window: Window) -> tuple[Field, Field]:
        """Return the frame's x and y at every pixel of `window`, [h, w] each."""
        (a, b), (c, d) = self.axes
        inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        rows, columns = window
        x = np.arange(columns.start, columns.stop)[None, :] - self.origin[0]
        y = np.arange(rows.start, rows.stop)[:, None] - self.origin[1]
        return (
            (inverse[0, 0] * x + inverse[0, 1] * y).astype(np.float32),
            (inverse[1, 0] * x + inverse[1, 1] * y).astype(np.float32),
        )


@dataclass(frozen=True)
class Pose:
    """Place, size and posture of a bird.

    Args:
        body: frame of the trunk; its unit is the trunk's length.
        head: frame of the head; its unit is the head's radius, x along the bill.
        facing: +1 the body faces right, -1 left.
        looks_back: whether the head faces the side opposite to the body's.
        turn: angle in radians by which the head turns towards the viewer.
        tail_angle: angle in radians by which the tail hangs below the body's axis.
        unit: length of a body unit in pixels.
        feet: points [2, 2] where the feet grip the perch, pixels.
        fluffed: factor on the depth of the belly, about 1.
    """

    body: CoordinateFrame
    head: CoordinateFrame
    facing: int
    looks_back: bool
    turn: float
    tail_angle: float
    unit: float
    feet: Points
    fluffed: float


def draw_pose(rng: np.random.Generator, size: int) -> Pose:
    """Draw a pose that keeps the head with its bill inside a picture of `size` pixels."""
    facing = 1 if rng.random() < 0.5 else -1
    pitch = rng.uniform(0.1, 0.85)
    unit = size * rng.uniform(0.36, 0.57)
    stretch = rng.uniform(0.84, 1.0)
    axes = unit * _axes(pitch, facing) * (stretch, 1.0)
    centre = size * np.array([0.5 - facing * rng.uniform(-0.12, 0.08), rng.uniform(0.44, 0.6)])
    to_head = axes @ (HEAD_CENTRE + np.array([0.0, rng.uniform(-0.03, 0.02)]))
    reach = HEAD_REACH * HEAD_RADIUS * unit
    head_centre = np.clip(centre + to_head, reach, size - reach)
    body = CoordinateFrame(head_centre - to_head, axes)

    looks_back = bool(rng.random() < 0.12)
    head_pitch = float(rng.normal(0.02, 0.2))
    head_facing = -facing if looks_back else facing
    head = CoordinateFrame(head_centre, unit * HEAD_RADIUS * _axes(head_pitch, head_facing))

    spread = rng.uniform(0.05, 0.12)
    hips = body.to_pixels(np.array([[-0.02 + spread / 2, 0.24], [-0.02 - spread / 2, 0.22]]))
    drop = unit * rng.uniform(0.13, 0.2)
    feet = hips + np.array([[facing * 0.03 * unit, drop], [facing * 0.01 * unit, drop]])
    return Pose(
        body=body,
        head=head,
        facing=facing,
        looks_back=looks_back,
        turn=float(rng.uniform(-0.25, 0.6)),
        tail_angle=float(rng.normal(0.08, 0.14)),
        unit=unit,
        feet=feet,
        fluffed=float(rng.uniform(0.93, 1.1)),
    )


def _axes(pitch: float, facing: int) -> Points:
    cosine, sine = math.cos(pitch), math.sin(pitch)
    return np.array([[facing * cosine, facing * sine], [-sine, cosine]])
