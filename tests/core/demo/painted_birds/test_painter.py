"""Every field mark shows in the picture, and species, seed and index decide every pixel."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.demo.painted_birds import SPECIES, Species, paint_bird
from birdnet_cli.core.errors import UsageError


@functools.cache
def pixels(species: Species, *, seed: int = 0, index: int = 0, size: int = 96) -> np.ndarray:
    return np.asarray(paint_bird(species, seed=seed, index=index, size=size), dtype=np.int16)


@pytest.mark.parametrize(
    "mark",
    [
        {"rufous_crown": True},
        {"supercilium": True},
        {"eye_ring": True},
        {"bill": "stout"},
        {"wing_bars": 2},
        {"tail": "long"},
        {"tail": "white-edged"},
        {"breast": "streaked"},
        {"breast": "spotted"},
        {"saffron_throat": True},
        {"ochre_rump": True},
    ],
    ids=str,
)
def test_every_field_mark_shows_and_leaves_most_of_the_picture_alone(mark: dict[str, str]) -> None:
    bare = Species("Test Bird")
    marked = replace(bare, **mark)

    changed = [
        np.abs(pixels(marked, index=i, size=128) - pixels(bare, index=i, size=128)).max(-1) > 24 for i in range(6)
    ]

    assert max(part.sum() for part in changed) >= 25
    assert max(part.mean() for part in changed) < 0.12


def test_supercilium_is_a_pale_brow_over_a_dark_line() -> None:
    bare = Species("Test Bird", rufous_crown=True)
    change = [pixels(replace(bare, supercilium=True), index=i) - pixels(bare, index=i) for i in range(4)]
    assert max(part.max() for part in change) > 60
    assert min(part.min() for part in change) < -60


def test_crown_stripe_shows_where_the_head_turns() -> None:
    bare = Species("Test Bird", rufous_crown=True)
    striped = replace(bare, crown_stripe=True)

    changed = [(np.abs(pixels(striped, index=i) - pixels(bare, index=i)).max(-1) > 24).sum() for i in range(6)]

    assert max(changed) >= 15


def test_equal_arguments_paint_equal_pixels() -> None:
    first, second = (paint_bird(SPECIES[1], seed=3, index=7, size=80).tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"index": 1}, {"species": SPECIES[4]}], ids=lambda other: next(iter(other))
)
def test_seed_index_and_species_each_give_another_scene(other: dict[str, object]) -> None:
    base = {"species": SPECIES[0], "seed": 0, "index": 0}
    assert np.abs(pixels(**base) - pixels(**base | other)).mean() > 4


@pytest.mark.parametrize("size", [64, 97, 256])
def test_picture_has_the_size_that_was_asked_for(size: int) -> None:
    picture = paint_bird(SPECIES[0], seed=0, index=0, size=size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


def test_two_sizes_show_the_same_bird() -> None:
    small = paint_bird(SPECIES[5], seed=0, index=2, size=128)
    large = paint_bird(SPECIES[5], seed=0, index=2, size=256)
    shrunk = np.asarray(large.resize((32, 32), Image.Resampling.BOX), dtype=np.float32)
    assert np.abs(np.asarray(small.resize((32, 32), Image.Resampling.BOX), dtype=np.float32) - shrunk).mean() < 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1, "index": 0}, r"seed of a painted bird: expected at least 0, got -1"),
        ({"seed": 0, "index": -2}, r"index of a painted bird: expected at least 0, got -2"),
        ({"seed": 0, "index": 0, "size": 63}, r"size of a painted bird: expected at least 64, got 63"),
    ],
)
def test_out_of_range_arguments_are_refused_by_name(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        paint_bird(SPECIES[0], **arguments)
