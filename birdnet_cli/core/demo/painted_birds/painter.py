"""Paint a bird of a species in its scene: species, seed and index -> an RGB picture."""

from zlib import crc32

import numpy as np
from PIL import Image

from birdnet_cli.core.demo.painted_birds.backdrop import BACKDROPS, paint_backdrop
from birdnet_cli.core.demo.painted_birds.canvas import blend
from birdnet_cli.core.demo.painted_birds.head import paint_bill, paint_eye, paint_head
from birdnet_cli.core.demo.painted_birds.light import (
    compute_shading,
    draw_light,
    grade_photograph,
    paint_feather_texture,
)
from birdnet_cli.core.demo.painted_birds.palette import draw_palette
from birdnet_cli.core.demo.painted_birds.perch import paint_foreground, paint_legs, paint_perch
from birdnet_cli.core.demo.painted_birds.pose import draw_pose
from birdnet_cli.core.demo.painted_birds.species import Species
from birdnet_cli.core.demo.painted_birds.trunk import (
    paint_breast_marks,
    paint_ground,
    paint_rump,
    paint_silhouette,
    paint_tail,
)
from birdnet_cli.core.demo.painted_birds.wing import paint_wing
from birdnet_cli.core.errors import UsageError

__all__ = ["paint_bird"]

# At smaller sizes the field marks would be smaller than a pixel.
SMALLEST_SIZE = 64


def paint_bird(species: Species, *, seed: int, index: int, size: int = 256) -> Image.Image:
    """Paint picture number `index` of a species; equal arguments give equal pixels.

    Args:
        species: the field marks that the bird wears.
        seed: seed of the whole data set, 0 or more.
        index: number of the picture, 0 or more; pose, light, plumage tone and scene differ from index to index.
        size: width and height in pixels, at least 64.

    Returns:
        An RGB picture.

    Raises:
        UsageError: `seed`, `index` or `size` is out of range.
    """
    for name, value, least in (("seed", seed, 0), ("index", index, 0), ("size", size, SMALLEST_SIZE)):
        if value < least:
            raise UsageError(f"{name} of a painted bird: expected at least {least}, got {value}")
    root = np.random.SeedSequence([seed, crc32(species.name.encode()), index])
    scene_rng, pose_rng, plumage_rng, camera_rng = (np.random.default_rng(child) for child in root.spawn(4))

    kind = BACKDROPS[int(scene_rng.integers(len(BACKDROPS)))]
    scene = paint_backdrop(kind, size, scene_rng)
    pose = draw_pose(pose_rng, size)
    palette = draw_palette(plumage_rng)
    light = draw_light(camera_rng)
    paint_perch(scene, kind, pose, scene_rng)

    # The plumage is painted flat on a sheet of its own, then lit and cut out.
    sheet = np.empty_like(scene)
    paint_ground(sheet, pose, palette, plumage_rng)
    paint_breast_marks(sheet, pose, palette, species, plumage_rng)
    paint_head(sheet, pose, palette, species, plumage_rng)
    paint_rump(sheet, pose, palette, species)
    paint_feather_texture(sheet, pose, plumage_rng)
    behind = sheet.copy()
    tail = paint_tail(behind, pose, palette, species, plumage_rng)
    wing = paint_wing(sheet, pose, palette, species, plumage_rng)
    silhouette = np.maximum(paint_silhouette(size, pose, plumage_rng), wing)

    shade = compute_shading(pose, light, silhouette, wing, scene)
    blend(scene, tail, behind * (0.45 + 0.55 * shade))
    paint_legs(scene, pose, palette)
    paint_bill(scene, pose, palette, species)
    blend(scene, silhouette, sheet * shade)
    paint_eye(scene, pose, plumage_rng)
    paint_foreground(scene, kind, pose, scene_rng)
    return grade_photograph(scene, light, camera_rng)
