"""An extraction from images to the finished cache: failures, selections, processes and interruptions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.extract import extract, prepare_extraction
from birdnet_cli.core.errors import CacheError, DataError
from birdnet_cli.core.features import run
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.features.run import ExtractReport, run_extraction
from tests.core.textures import POOLINGS, small_settings, write_textures

# Two shards and several batches, with a fit before the pass and a selection after it.
TWO_SHARDS = small_settings(
    layer="relu1_1", pooling="max,bilinear-reduce8,bilinear-variance50", image_size=16, batch_size=64, fit_images=64
)


def read_everything(path: Path) -> dict[str, np.ndarray]:
    """Return every dataset of an HDF5 file by its name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same_datasets(first: Path, second: Path) -> None:
    a, b = read_everything(first), read_everything(second)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_one_pass_writes_every_descriptor(extracted: ExtractReport) -> None:
    assert extracted.descriptors == {
        "max": 128, "avg": 128, "bilinear": 8256, "bilinear-reduce8": 36, "bilinear-variance50": 50, "compact-d64": 64,
    }  # fmt: skip
    assert set(extracted.descriptors) == set(POOLINGS)
    assert extracted.rows == 36
    assert extracted.failures == ()


def test_variance_selection_keeps_the_columns_that_vary_most_over_training(extracted: ExtractReport) -> None:
    with FeatureCache.open(extracted.output) as cache:
        train = np.flatnonzero([split == "train" for split in cache.splits])
        full = np.concatenate([block.copy() for _, block in cache.blocks("bilinear")])
        selected = np.concatenate([block.copy() for _, block in cache.blocks("bilinear-variance50")])
        indices = cache.state("bilinear-variance50")["selection.indices"]
    variance = full[train].astype(np.float64).var(axis=0)
    assert variance[indices].min() >= np.partition(variance, -50)[-50]
    np.testing.assert_array_equal(selected, full[:, indices])


def test_a_finished_extraction_is_not_computed_again(extracted: ExtractReport, textures: Path) -> None:
    before = extracted.output.stat().st_mtime_ns
    again = extract(textures, extracted.output, settings=small_settings())
    assert again.descriptors == extracted.descriptors
    assert extracted.output.stat().st_mtime_ns == before


def test_other_settings_are_refused_and_named(extracted: ExtractReport, textures: Path) -> None:
    with pytest.raises(CacheError, match=r"transform\.image_size: 32 -> 48"):
        extract(textures, extracted.output, settings=small_settings(image_size=48))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_file_does_not_depend_on_the_number_of_workers(
    extracted: ExtractReport, textures: Path, tmp_path: Path, workers: int
) -> None:
    other = extract(textures, tmp_path / "other.h5", settings=small_settings(workers=workers))
    assert_same_datasets(extracted.output, other.output)


def test_an_unreadable_image_stops_and_is_named(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=3, test=1)
    (data / "train" / "rings" / "001.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train/rings/001\.png: .*--on-error skip"):
        extract(data, tmp_path / "out.h5", settings=small_settings(pooling="max"))
    assert not (tmp_path / "out.h5").exists()


def test_a_skipped_image_keeps_its_row_and_is_listed(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=3, test=1)
    bad = data / "train" / "rings" / "001.png"
    bad.write_bytes(b"")
    report = extract(data, tmp_path / "out.h5", settings=small_settings(pooling="max"), on_error="skip")
    assert len(report.failures) == 1
    assert report.failures[0].startswith("train/rings/001.png: ")
    with FeatureCache.open(report.output) as cache:
        row = cache.names.index("train/rings/001.png")
        assert cache.rows == 12
        assert cache.status.sum() == cache.status[row] == 1
        ((_, block),) = cache.blocks("max", np.array([row]))
        assert not block.any()


def test_more_errors_than_allowed_stop_the_extraction(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=3, test=1)
    for name in ("000", "001"):
        (data / "train" / "rings" / f"{name}.png").write_bytes(b"")
    extraction = prepare_extraction(data, tmp_path / "out.h5", settings=small_settings(pooling="max"))
    with pytest.raises(DataError, match=r"2 images cannot be read \(1 allowed\)"):
        run_extraction(extraction, on_error="skip", max_errors=1)


def test_a_reduction_without_training_images_is_refused(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fitted on the training split"):
        extract(textures, tmp_path / "x.h5", settings=small_settings(pooling="bilinear-reduce8"), splits=("test",))


@pytest.fixture(scope="module")
def many_textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of images."""
    return write_textures(tmp_path_factory.mktemp("many") / "data", train=200, test=5)


@pytest.fixture(scope="module")
def unbroken(many_textures: Path) -> ExtractReport:
    return extract(many_textures, many_textures.parent / "unbroken.h5", settings=TWO_SHARDS)


def test_several_processes_write_the_same_file(many_textures: Path, unbroken: ExtractReport, tmp_path: Path) -> None:
    extraction = prepare_extraction(many_textures, tmp_path / "two.h5", settings=TWO_SHARDS)
    assert_same_datasets(unbroken.output, run_extraction(extraction, nproc=2).output)


@pytest.mark.parametrize("written", ["state.h5", "shard-000000.h5"])
def test_a_killed_extraction_resumes_to_an_identical_file(
    many_textures: Path, unbroken: ExtractReport, tmp_path: Path, written: str
) -> None:
    broken = tmp_path / "broken.h5"
    run = (
        "import sys; from birdnet_cli import ExtractSettings, extract\n"
        "extract(*sys.argv[1:3], settings=ExtractSettings.model_validate_json(sys.argv[3]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", run, str(many_textures), str(broken), TWO_SHARDS.model_dump_json()]
    with subprocess.Popen(command, env=environment) as process:
        while not (tmp_path / "broken.h5.parts" / written).exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert_same_datasets(unbroken.output, extract(many_textures, broken, settings=TWO_SHARDS).output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.h5"]


def test_a_resumed_extraction_does_not_fit_again(
    many_textures: Path, unbroken: ExtractReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.h5"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_missing_shards", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(many_textures, output, settings=TWO_SHARDS)
    monkeypatch.setattr(FeatureExtractor, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert_same_datasets(unbroken.output, extract(many_textures, output, settings=TWO_SHARDS).output)


def test_a_selection_needs_two_training_images(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=1, test=1)
    for name in ("rings", "stripes"):
        (data / "train" / name / "000.png").write_bytes(b"")
    with pytest.raises(DataError, match="fewer than 2 images were read"):
        extract(data, tmp_path / "x.h5", settings=small_settings(pooling="avg,bilinear-variance5"), on_error="skip")
