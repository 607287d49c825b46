"""Rates of reading, decoding and resizing, measured for a moment."""

import json
from pathlib import Path

import pytest

from birdnet_cli.core.bench import data as module
from birdnet_cli.core.bench.data import DataRates, bench_data
from birdnet_cli.core.data import ImageRecord, write_records
from birdnet_cli.core.errors import DataError


@pytest.mark.parametrize("workers", [0, 1])
def test_every_step_has_a_rate(textures: Path, workers: int) -> None:
    rates = bench_data(textures, image_size=16, images=36, repeats=1, workers=workers)
    assert rates.workers == workers
    for rate in (rates.load, rates.read, rates.decode, rates.resize):
        assert 1 < rate < 1e7
    assert set(json.loads(json.dumps(rates.to_json()))) == {"workers", "load", "read", "decode", "resize"}


def test_medians_of_the_repeats_are_shown(textures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, steps = iter([1.0, 4.0, 2.0]), iter([(1.0, 2.0, 3.0), (9.0, 8.0, 7.0), (4.0, 3.0, 1.0)])
    monkeypatch.setattr(module, "_time_loader", lambda *arguments: next(loads))
    monkeypatch.setattr(module, "_time_steps", lambda *arguments: next(steps))
    rates = bench_data(textures, image_size=16, images=12, repeats=3, workers=0)
    assert rates == DataRates(0, 6.0, 3.0, 4.0, 4.0)


def test_too_few_images_are_refused_with_the_option_to_lower(textures: Path) -> None:
    with pytest.raises(DataError, match=r"has 36 images; the measurement wants 37 \(--images\)"):
        bench_data(textures, image_size=16, images=37, repeats=1, workers=0)


def test_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with write_records(tmp_path / "a.rec") as writer:
        writer.write(ImageRecord((0.0,), 0, 0, b"text"))
    with pytest.raises(DataError, match=r"a\.rec#0: not a JPEG"):
        bench_data(tmp_path / "a.rec", image_size=16, images=1, repeats=1, workers=0)
