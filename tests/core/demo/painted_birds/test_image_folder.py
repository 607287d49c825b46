"""The painted data set on disk: whole or absent, and the same to the byte."""

import hashlib
from pathlib import Path

import pytest

from birdnet_cli.core.data import open_dataset
from birdnet_cli.core.demo.painted_birds import SPECIES, write_painted_birds
from birdnet_cli.core.errors import DataError


def files_of(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


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
    for name in ("first", "second"):
        write_painted_birds(tmp_path / name, images_per_class={"train": 1, "test": 1}, seed=5, size=64)

    first, second = files_of(tmp_path / "first"), files_of(tmp_path / "second")
    assert first == second
    assert len(set(first.values())) == len(first) == 2 * len(SPECIES)


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
