import json
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.engine import bench_data as data_module
from birdnet_cli.core.engine import bench_extract as module
from birdnet_cli.core.engine.bench_data import DataRates
from birdnet_cli.core.engine.bench_extract import PipelineRates
from birdnet_cli.core.recipe import ExtractSettings
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def test_rates_of_both_precisions_are_measured(fbn: Fbn, textures: Path, tmp_path: Path) -> None:
    done = fbn(
        "bench", "extract", textures, "--images", "16", "--repeats", "1", "--weights", "none", "--pooling", "max",
        "--image-size", "16", "-b", "16", "-j", "0", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert len(rows) == 2
    assert rows[0]["precision"] == "float32"
    for row in rows:
        assert set(row) == {"precision", "pipeline", "backbone", "efficiency"}
        assert row["pipeline"] > 0
        assert row["efficiency"] == pytest.approx(row["pipeline"] / row["backbone"])
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_measurement_and_the_table_shows_its_rates(
    fbn: Fbn, textures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Path, ExtractSettings, int, int]] = []

    def measure(data: Path, *, settings: ExtractSettings, images: int, repeats: int, progress: object) -> object:
        calls.append((data, settings, images, repeats))
        return [PipelineRates("float32", 9.0, 10.0), PipelineRates("bfloat16", 19.0, 25.0)]

    monkeypatch.setattr(module, "bench_extract", measure)
    options = ["--backbone", "vgg19", "--image-size", "64", "-b", "3", "-j", "1", "--device", "cpu"]
    done = fbn("bench", "extract", textures, "--images", "99", "--repeats", "7", *options)
    ((data, settings, images, repeats),) = calls
    assert (data, images, repeats) == (textures, 99, 7)
    assert (settings.backbone, settings.image_size, settings.batch_size, settings.workers) == ("vgg19", 64, 3, 1)
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[1:] == [["float32", "9.00", "10.00", "90.0%"], ["bfloat16", "19.00", "25.00", "76.0%"]]


def test_too_few_images_are_an_error_with_the_option_to_lower(fbn: Fbn, few: Path) -> None:
    done = fbn("bench", "extract", few, "--images", "16", "--weights", "none")
    assert done.code == 1
    assert "has 9 images; the measurement wants 16 (--images)" in done.err


def test_rates_of_data_are_measured(fbn: Fbn, few: Path) -> None:
    done = fbn("bench", "data", few, "--images", "9", "--repeats", "1", "-j", "0")
    assert done.code == 2  # at least 16
    assert fbn("data", "convert", few / "train", "birds.rec", "-j", "0", "-q").code == 0
    done = fbn("bench", "data", "birds.rec", "--images", "16", "--repeats", "1", "-j", "0")
    assert (done.code, done.out) == (1, "")
    assert "has 6 images; the measurement wants 16 (--images)" in done.err


def test_options_reach_the_measurement_of_data_and_the_table_shows_its_rates(
    fbn: Fbn, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []

    def measure(data: Path, *, image_size: int, images: int, repeats: int, workers: int, progress: object) -> DataRates:
        calls.append((data, image_size, images, repeats, workers))
        return DataRates(workers, 1234.4, 99999.0, 5000.0, 60000.0)

    monkeypatch.setattr(data_module, "bench_data", measure)
    done = fbn("bench", "data", few, "--images", "99", "--repeats", "7", "--image-size", "32", "-j", "0")
    fbn("bench", "data", few)
    assert calls == [(few, 32, 99, 7, 0), (few, 224, 1024, 3, 2)]
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[1:] == [
        ["all,", "this", "process", "1,234"],
        ["read", "alone,", "one", "process", "99,999"],
        ["decode", "alone,", "one", "process", "5,000"],
        ["resize", "alone,", "one", "process", "60,000"],
    ]
    as_json = json.loads(fbn("bench", "data", few, "--json").out)
    assert as_json == {"workers": 2, "load": 1234.4, "read": 99999.0, "decode": 5000.0, "resize": 60000.0}
