import json
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.engine import bench_extract as module
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


def test_both_heads_are_timed_and_compared(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn(
        "bench", "head", whole_cache, "--pooling", "avg", "--head", "softmax", "-C", "3", "--dims", "64", "--json"
    )
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["rival"], row["C"], row["dims"], row["images"]) == ("LogisticRegression", 3, 64, 24)
    assert abs(row["difference"]) < 1e-4
    assert list(tmp_path.iterdir()) == []


def test_the_table_shows_the_speed_up_and_what_differs(
    fbn: Fbn, whole_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from birdnet_cli.core.engine import bench_head as heads

    calls: list[dict[str, object]] = []

    def measure(cache: Path, **options: object) -> object:
        calls.append(options)
        return heads.HeadComparison(
            "svm", "LinearSVC", 0.5, 1733, 131328, 60, 2.0, 90.0, 1001.0, 1000.0, 1800, 0.999, False
        )

    monkeypatch.setattr(heads, "bench_head", measure)
    done = fbn("bench", "head", whole_cache, "--images", "99", "--classes", "7", "--repeats", "3")
    assert calls[0].items() >= {"images": 99, "classes": 7, "repeats": 3, "head": "svm", "C": None}.items()
    assert "svm, C = 0.5: 1,733 images x 131,328 values, 60 classes" in done.out
    assert "LinearSVC (did not converge)" in done.out
    assert "45.0x as fast; objectives differ by +1.0e-03; same class on 99.90% of 1800 test images" in done.out


def test_too_many_classes_are_an_error_with_the_option_to_lower(fbn: Fbn, whole_cache: Path) -> None:
    done = fbn("bench", "head", whole_cache, "--pooling", "avg", "--classes", "9")
    assert done.code == 1
    assert "the measurement wants 9 classes, the cache has 3 (--classes)" in done.err
