from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from birdnet_cli.core.demo import demo
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.recipe import ExtractSettings
from tests.cli.command_line import Finished
from tests.core.textures import CLASSES

Fbn = Callable[..., Finished]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's own settings take 15 GFLOP per image; these take a thousandth."""
    settings = partial(ExtractSettings, layer="relu2_1", image_size=32, precision="float32", workers=0)
    monkeypatch.setattr(demo, "ExtractSettings", settings)


def test_it_shows_accuracies_a_prediction_its_files_and_what_to_try_next(
    fbn: Fbn, textures: Path, tmp_path: Path
) -> None:
    done = fbn("demo", "--data", textures, "-o", "out", "--weights", "none", "-q")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    (header,) = [number for number, line in enumerate(lines) if line.startswith("pooling")]
    rows = [line.split() for line in lines[header + 1 : header + 4]]
    assert [row[:2] for row in rows] == [["max", "128"], ["avg", "128"], ["bilinear", "8,256"]]
    assert all(row[2].endswith("%") and row[3] == "100.0%" for row in rows)
    assert "24 training and 12 test images, 3 classes" in done.out
    assert any(f" shows: {name}" in done.out for name in CLASSES)
    left = [line.split()[0] for line in lines[lines.index("It left:") + 1 :] if line.startswith("  out/")]
    assert {tmp_path / name for name in left} == set((tmp_path / "out").iterdir())
    assert "  fbn predict PHOTO.jpg -m model.safetensors" in lines


def test_options_reach_the_demo(fbn: Fbn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, object]] = []

    def stop(folder: Path, *, progress: object, **options: object) -> None:
        calls.append({"folder": folder} | options)
        raise DataError("far enough")

    monkeypatch.setattr(demo, "run_demo", stop)
    done = fbn("demo", "-o", "out", "--data", "birds", "--weights", "mine.pth", "--seed", "7", "--overwrite")
    assert (done.code, done.err) == (1, "error: far enough\n")
    fbn("demo")
    assert calls == [
        {"folder": Path("out"), "data": Path("birds"), "weights": "mine.pth", "seed": 7, "overwrite": True},
        {"folder": Path("fbn-demo"), "data": None, "weights": "auto", "seed": 0, "overwrite": False},
    ]


def test_images_without_a_test_split_are_an_error_that_says_how_to_get_one(fbn: Fbn, few: Path) -> None:
    (few / "test").rename(few.parent / "elsewhere")
    done = fbn("demo", "--data", few, "-o", "out", "--weights", "none")
    assert done.code == 1
    assert "no 'test' images" in done.err
    assert "fbn data split" in done.err
