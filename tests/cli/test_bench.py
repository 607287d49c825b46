import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from birdnet_cli.core.bench import data as data_module
from birdnet_cli.core.bench import extraction as module
from birdnet_cli.core.bench import ops as bench_ops_package
from birdnet_cli.core.bench.data import DataRates
from birdnet_cli.core.bench.extraction import PipelineRates
from birdnet_cli.core.bench.ops import Ceilings, OpReport, OpRow, PassRow, measure
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


def test_ops_are_measured_and_reported_as_json(fbn: Fbn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "GEMM_SIZE", {"cpu": 64})
    monkeypatch.setattr(measure, "COPY_BYTES", {"cpu": 2**16})
    done = fbn(
        "bench", "ops", "--op", "bilinear_pool", "--shapes", "1x4x3", "--dtypes", "float32", "--contenders", "fbn",
        "--repeats", "1", "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert [(row["shape"], row["contender"]) for row in document["rows"]] == [("1x4x3", "eager"), ("1x4x3", "fbn")]


def test_quick_measures_one_shape_and_compiles_nothing(fbn: Fbn, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def run(ops: list[str], **settings: Any) -> OpReport:
        calls.append({"ops": ops} | settings)
        figures = PassRow(0.002, 1.5, 0.25, None)
        row = OpRow("bilinear_pool", "8x512x196", "float32", "fbn", figures, replace(figures, extra_bytes=3_000_000))
        machine = {"device": "cpu", "name": "AVX2", "threads": 2, "torch": "9.9", "fbn runs": {}}
        return OpReport(machine, Ceilings({"float32": 1e11}, 2e10), (row,))

    monkeypatch.setattr(bench_ops_package, "bench_ops", run)
    done = fbn("bench", "ops", "--quick")
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["ops"], call["repeats"]) == (["bilinear_pool", "compact_bilinear_pool", "fb_quadratic"], 3)
    assert [str(shape) for shape in call["shapes"]] == ["8x512x196"]
    assert "fbn" in call["contenders"]
    assert "compile" not in call["contenders"]
    lines = [line.split() for line in done.out.splitlines()]
    assert ["8x512x196", "float32", "fbn", "2.00", "1.50x", "25%", "-", "2.00", "1.50x", "25%", "3.0"] in lines


def test_a_malformed_shape_is_a_usage_error(fbn: Fbn) -> None:
    done = fbn("bench", "ops", "--shapes", "8x512")
    assert done.code == 2
    assert "shape '8x512': expected images x channels x positions" in done.err


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
    from birdnet_cli.core.bench import head as heads

    calls: list[dict[str, object]] = []

    def measure(cache: Path, **options: object) -> object:
        calls.append(options)
        return heads.HeadComparison(
            "svm", "LinearSVC", 1e-6, 0.5, 1733, 131328, 60, 2.0, 90.0, 1001.0, 1000.0, 1800, 0.999, False
        )

    monkeypatch.setattr(heads, "bench_head", measure)
    done = fbn("bench", "head", whole_cache, "--images", "99", "--classes", "7", "--repeats", "3", "--tolerance", "0.1")
    given = {"subset": heads.Subset(images=99, classes=7), "repeats": 3, "head": "svm", "C": None, "tolerance": 0.1}
    assert calls[0].items() >= given.items()
    assert "svm, C = 0.5: 1,733 images x 131,328 values, 60 classes" in done.out
    assert "LinearSVC, tol 1e-06 (did not converge)" in done.out
    assert "45.0x as fast; objectives differ by +1.0e-03; same class on 99.90% of 1800 test images" in done.out


def test_too_many_classes_are_an_error_with_the_option_to_lower(fbn: Fbn, whole_cache: Path) -> None:
    done = fbn("bench", "head", whole_cache, "--pooling", "avg", "--classes", "9")
    assert done.code == 1
    assert "the measurement wants 9 classes, the cache has 3 (--classes)" in done.err
