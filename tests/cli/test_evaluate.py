import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import Finished
from tests.core.engine.textures import CLASSES

Fbn = Callable[..., Finished]


def test_the_json_file_holds_fractions_and_every_class(
    fbn: Fbn, model: Path, whole_cache: Path, tmp_path: Path
) -> None:
    done = fbn("evaluate", whole_cache, "-m", model, "--json", "figures.json")
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["n"] == 12
    assert 0 < figures["top1"] <= figures["top5"] == 1
    assert set(figures["per_class"]) == set(CLASSES)
    assert all(row["n"] == 4 for row in figures["per_class"].values())
    assert figures["failed"] == []
    right = sum(row["recall"] * row["n"] for row in figures["per_class"].values())
    assert figures["top1"] == pytest.approx(right / 12)
    assert sum(pair["count"] for pair in figures["confusions"]) == 12 - round(right)


def test_stdout_shows_the_accuracy_and_the_classes(fbn: Fbn, model: Path, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn("evaluate", whole_cache, "-m", model, "--json", "figures.json")
    top1 = json.loads((tmp_path / "figures.json").read_text())["top1"]
    assert done.out.startswith(f"top-1 {top1:.2%}   top-5 100.00%   12 images")
    assert all(name in done.out for name in CLASSES)


def test_images_and_their_cache_give_the_same_figures(
    fbn: Fbn, model: Path, whole_cache: Path, textures: Path, tmp_path: Path
) -> None:
    assert fbn("evaluate", whole_cache, "-m", model, "--json", "cache.json").code == 0
    done = fbn(
        "evaluate", textures, "-m", model, "--json", "images.json", "-j", "0", "-b", "5", "--precision", "float32"
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "cache.json").read_text() == (tmp_path / "images.json").read_text()


def test_another_split_can_be_measured(fbn: Fbn, model: Path, whole_cache: Path) -> None:
    assert "24 images" in fbn("evaluate", whole_cache, "-m", model, "--split", "train").out
    done = fbn("evaluate", whole_cache, "-m", model, "--split", "val")
    assert done.code == 1
    assert "the split 'val' has no image" in done.err


def test_an_image_that_cannot_be_read_is_listed_and_not_counted(
    fbn: Fbn, model: Path, few: Path, tmp_path: Path
) -> None:
    (few / "test" / "rings" / "000.png").write_bytes(b"")
    done = fbn("evaluate", few, "-m", model, "-j", "0", "--json", "figures.json")
    assert done.code == 3
    assert "1 images could not be read:\n  test/rings/000.png: zero bytes" in done.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["n"] == 2
    assert (figures["per_class"]["rings"]["n"], figures["per_class"]["rings"]["recall"]) == (0, None)
    assert figures["failed"] == ["test/rings/000.png: zero bytes"]


def test_an_image_that_failed_at_the_extraction_is_listed_and_not_counted(
    fbn: Fbn, model: Path, few: Path, tmp_path: Path
) -> None:
    (few / "test" / "rings" / "000.png").write_bytes(b"")
    quick = ["--weights", "none", "--layer", "relu2_1", "--image-size", "32", "--pooling", "avg", "-j", "0"]
    assert fbn("extract", few, "-o", "few.h5", *quick, "--on-error", "skip").code == 3
    done = fbn("evaluate", "few.h5", "-m", model)
    assert done.code == 3
    assert "test/rings/000.png" in done.err
    assert "2 images" in done.out


def test_a_cache_of_other_features_is_refused(fbn: Fbn, model: Path, few: Path, quick: list[str]) -> None:
    assert fbn("extract", few, "-o", "few.h5", *quick).code == 0
    done = fbn("evaluate", "few.h5", "-m", model)
    assert done.code == 1
    assert "few.h5: its features differ from the model's in: layer, transform" in done.err


def test_classes_that_the_model_does_not_know_are_named(fbn: Fbn, model: Path, few: Path) -> None:
    for split in ("train", "test"):
        (few / split / "rings").rename(few / split / "spirals")
    done = fbn("evaluate", few, "-m", model, "-j", "0")
    assert done.code == 1
    assert "classes that the model does not know: spirals" in done.err


def test_the_model_defaults_to_the_variable(fbn: Fbn, model: Path, whole_cache: Path) -> None:
    assert fbn("evaluate", whole_cache, env={"FBN_MODEL": str(model)}).code == 0
    model.unlink()
    assert "name one with -m or FBN_MODEL" in fbn("evaluate", whole_cache).err
