"""`fbn neighbors`: its table, its lines of JSON, its sheet, its exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def test_the_table_names_classes_and_similarities(fbn: Fbn, cache: Path, textures: Path) -> None:
    image = textures / "test" / "rings" / "000.png"
    done = fbn("neighbors", image, "-c", cache, "--pooling", "avg", "-k", "2", "--weights", "none", "--split", "all")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == [str(image)]
    assert "the same file as test/rings/000.png" in done.out
    assert lines[2] == ["similarity", "class", "image"]
    assert len(lines[3:]) == 2 + (not lines[-1])
    for similarity, name, path in lines[3:5]:
        assert 0 < float(similarity) <= 1
        assert path.split("/")[1] == name


def test_one_line_of_json_per_image_and_exit_3_for_a_bad_one(fbn: Fbn, cache: Path, photos: Path) -> None:
    done = fbn("neighbors", photos, "--cache", cache, "--pooling", "avg", "-k", "3", "--weights", "none", "--json")
    assert done.code == 3
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [Path(row["path"]).name for row in rows] == ["a.png", "b, or not.png", "c.png"]
    assert [len(row["neighbors"]) for row in rows] == [3, 0, 3]
    assert rows[1]["error"]
    assert rows[0]["neighbors"][0].keys() == {"row", "path", "label", "split", "similarity"}


def test_a_sheet_needs_the_images_and_is_a_picture(fbn: Fbn, cache: Path, textures: Path, tmp_path: Path) -> None:
    image = textures / "test" / "rings" / "000.png"
    given = ("neighbors", image, "-c", cache, "--pooling", "avg", "--weights", "none", "-k", "2", "--sheet", "s.png")
    done = fbn(*given)
    assert done.code == 2
    assert "give --images DATA as well" in done.err
    assert not (tmp_path / "s.png").exists()
    assert fbn(*given, "--images", textures).code == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")


def test_several_descriptors_need_a_choice(fbn: Fbn, cache: Path, photos: Path) -> None:
    done = fbn("neighbors", photos, "-c", cache, "--weights", "none")
    assert (done.code, done.out) == (2, "")
    assert "choose one with --pooling: avg, bilinear-variance50, max" in done.err
