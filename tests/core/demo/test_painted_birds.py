"""The painted birds of the demo: what tells them apart, and that a seed fixes every picture."""

import hashlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.data import open_dataset
from birdnet_cli.core.demo.painted_birds import SPECIES, Species, paint_bird, write_painted_birds
from birdnet_cli.core.errors import DataError, UsageError

MARKS = [mark.name for mark in fields(Species) if mark.name != "name"]


def pixels(species: Species, *, seed: int = 0, index: int = 0, size: int = 96) -> np.ndarray:
    return np.asarray(paint_bird(species, seed=seed, index=index, size=size), dtype=np.int16)


def marks_apart(one: Species, other: Species) -> int:
    return sum(getattr(one, mark) != getattr(other, mark) for mark in MARKS)


def files_of(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_there_are_at_least_eight_species_with_names_of_their_own() -> None:
    assert len({species.folder for species in SPECIES}) == len(SPECIES) >= 8
    assert all(" " not in species.folder for species in SPECIES)


@pytest.mark.parametrize("species", SPECIES, ids=lambda species: species.folder)
def test_every_species_has_a_look_alike_that_differs_in_one_or_two_marks(species: Species) -> None:
    assert 1 <= min(marks_apart(species, other) for other in SPECIES if other is not species) <= 2


@pytest.mark.parametrize("mark", MARKS)
def test_every_field_mark_tells_some_species_apart(mark: str) -> None:
    assert len({getattr(species, mark) for species in SPECIES}) > 1


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


def test_data_set_is_an_image_folder_of_splits_and_species(tmp_path: Path) -> None:
    painted: list[int] = []
    root = tmp_path / "new" / "birds"

    write_painted_birds(root, images_per_class={"train": 2, "test": 1}, seed=0, size=64, advance=painted.append)

    data = open_dataset(root)
    assert len(data.classes) == len(SPECIES)
    assert len(data.subset("train").samples) == 2 * len(SPECIES)
    assert len(data.subset("test").samples) == len(SPECIES)
    assert sum(painted) == 3 * len(SPECIES)
    assert (root / "train" / SPECIES[0].folder / "001.jpg").is_file()
    assert [path.name for path in (root / "test" / SPECIES[0].folder).iterdir()] == ["002.jpg"]
    assert [path.name for path in root.parent.iterdir()] == ["birds"]


def test_data_set_is_the_same_to_the_byte_and_no_picture_comes_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_painted_birds(tmp_path / name, images_per_class={"train": 1, "test": 1}, seed=5, size=64)

    one, two = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    assert one == two
    assert len(set(one.values())) == len(one) == 2 * len(SPECIES)


def test_existing_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "mine.txt").write_text("mine")

    with pytest.raises(DataError, match=r"birds: expected a new directory .* but it exists; remove it or name another"):
        write_painted_birds(tmp_path / "birds", images_per_class={"train": 1}, seed=0, size=64)

    assert files_of(tmp_path).keys() == {"birds/mine.txt"}


def test_failure_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop_at_third(_units: int) -> None:
        painted.append(1)
        if len(painted) == 3:
            raise KeyboardInterrupt

    painted: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        write_painted_birds(tmp_path / "birds", images_per_class={"train": 2}, seed=0, size=64, advance=stop_at_third)

    assert list(tmp_path.iterdir()) == []
