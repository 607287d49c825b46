"""The pipeline's rate beside the backbone's, measured for a moment."""

import json
from pathlib import Path

import pytest

from birdnet_cli.core.bench.extraction import PipelineRates, bench_extract
from birdnet_cli.core.errors import DataError
from tests.core.textures import small_settings

SETTINGS = small_settings(layer="relu1_1", image_size=16, pooling="max")


@pytest.fixture(scope="module")
def rates(textures: Path) -> list[PipelineRates]:
    return bench_extract(textures, settings=SETTINGS, images=16, repeats=1)


def test_both_precisions_are_measured_float32_first(rates: list[PipelineRates]) -> None:
    first, second = rates
    assert first.precision == "float32"
    assert second.precision in {"float32", "bfloat16"}


def test_rates_are_images_per_second_and_their_ratio_is_the_efficiency(rates: list[PipelineRates]) -> None:
    for row in rates:
        assert 0 < row.pipeline < 1e6
        assert 0 < row.backbone < 1e6
        assert row.efficiency == row.pipeline / row.backbone


def test_a_row_is_json(rates: list[PipelineRates]) -> None:
    document = json.loads(json.dumps(rates[0].to_json()))
    assert set(document) == {"precision", "pipeline", "backbone", "efficiency"}


def test_the_medians_of_the_repeats_are_shown(textures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from birdnet_cli.core.bench import extraction as module

    seconds = iter([1.0, 1.0, 4.0, 4.0, 2.0, 2.0])
    monkeypatch.setattr(module, "_time_backbone", lambda extraction: next(seconds))
    for row in bench_extract(textures, settings=SETTINGS, images=16, repeats=3):
        assert row.backbone == 16 / 2.0


def test_nothing_is_left_behind(textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bench_extract(textures, settings=SETTINGS, images=16, repeats=1)
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_are_refused_with_the_option_to_lower(textures: Path) -> None:
    with pytest.raises(DataError, match=r"has 36 images; the measurement wants 37 \(--images\)"):
        bench_extract(textures, settings=SETTINGS, images=37, repeats=1)
