from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core import recipe
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]
TEXT = "# Everything at 448 px, as in the paper — slow.\n#\n# fbn extract ...\nextract: {image_size: 448}\n"


@pytest.fixture(autouse=True)
def recipes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "large.yaml").write_text(TEXT, encoding="utf-8")
    (folder / "another.yaml").write_text("# Small.\nhead: {cv: 3}\n", encoding="utf-8")
    monkeypatch.setattr(recipe.resolve, "_recipe_directory", lambda: folder)
    return folder


def test_recipes_are_listed_by_name_with_their_first_line(fbn: Fbn) -> None:
    lines = fbn("recipes", "ls").out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["another", "Small."], ["large", "Everything at 448 px, as in the paper — slow."],
    ]  # fmt: skip


def test_a_recipe_is_shown_as_it_is(fbn: Fbn) -> None:
    assert fbn("recipes", "show", "large") == Finished(0, TEXT, "")


def test_a_copy_can_be_edited_and_used(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    assert fbn("recipes", "cp", "large", "mine.yaml") == Finished(0, "", "")
    copy = tmp_path / "mine.yaml"
    assert copy.read_text(encoding="utf-8") == TEXT
    copy.write_text("extract: {weights: none, layer: relu1_1, image_size: 17, pooling: max}")
    done = fbn("extract", few, "-o", "out.h5", "--recipe", "mine.yaml", "--dry-run")
    assert done.code == 0, done.err
    assert "max (64)" in done.out


def test_a_copy_does_not_overwrite(fbn: Fbn, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("precious")
    done = fbn("recipes", "cp", "large", "mine.yaml")
    assert done.code == 2
    assert "mine.yaml: exists already" in done.err
    assert (tmp_path / "mine.yaml").read_text() == "precious"


@pytest.mark.parametrize("command", [["show", "larg"], ["cp", "larg", "mine.yaml"]], ids=" ".join)
def test_an_unknown_recipe_is_a_usage_error_with_its_near_matches(fbn: Fbn, tmp_path: Path, command: list[str]) -> None:
    done = fbn("recipes", *command)
    assert (done.code, done.err) == (2, "error: unknown recipe 'larg': did you mean large?\n")
    assert list(tmp_path.iterdir()) == []
