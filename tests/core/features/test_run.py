import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import Transform, decode_image
from birdnet_cli.core.engine.extract import extract, prepare_extraction
from birdnet_cli.core.errors import CacheError, DataError, UsageError
from birdnet_cli.core.features.run import ExtractReport, run_extraction
from birdnet_cli.core.recipe import TransformSettings
from tests.core.textures import POOLINGS, small_settings, write_textures


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


def test_a_cached_descriptor_is_that_of_the_image_alone(extracted: ExtractReport, textures: Path) -> None:
    extraction = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="max,avg,bilinear"))
    transform = Transform(TransformSettings(image_size=32))
    with FeatureCache.open(extracted.output) as cache:
        row = 17
        image = transform(decode_image(textures / cache.names[row]))
        for name, expected in extraction.extractor(image[None]).items():
            ((_, stored),) = cache.blocks(name, np.array([row]))
            np.testing.assert_allclose(stored[0], expected[0].numpy(), rtol=2e-3, atol=1e-4, err_msg=name)


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


def test_several_processes_write_the_same_file(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=200, test=5)
    settings = small_settings(layer="relu1_1", pooling="max,bilinear-reduce8", image_size=16, batch_size=64)
    one = extract(data, tmp_path / "one.h5", settings=settings)
    two = run_extraction(prepare_extraction(data, tmp_path / "two.h5", settings=settings), nproc=2)
    assert_same_datasets(one.output, two.output)


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


def test_only_the_chosen_splits_are_extracted(textures: Path, tmp_path: Path) -> None:
    report = extract(textures, tmp_path / "test.h5", settings=small_settings(pooling="max"), splits=("test",))
    with FeatureCache.open(report.output) as cache:
        assert set(cache.splits) == {"test"}
        assert cache.classes == ("checks", "rings", "stripes")


def test_a_reduction_without_training_images_is_refused(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fitted on the training split"):
        extract(textures, tmp_path / "x.h5", settings=small_settings(pooling="bilinear-reduce8"), splits=("test",))


def test_flip_averages_with_the_mirrored_image(textures: Path) -> None:
    plain = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="bilinear"))
    flipped = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="bilinear", flip=True))
    image = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    expected = (plain.extractor(image)["bilinear"] + plain.extractor(image.flip(-1))["bilinear"]) / 2
    torch.testing.assert_close(flipped.extractor(image)["bilinear"], expected)
    assert not torch.equal(expected, plain.extractor(image)["bilinear"])


def test_reduce_and_select_modify_the_poolings_they_apply_to(textures: Path) -> None:
    settings = small_settings(pooling="max,bilinear,compact-d64", reduce=8, select="variance:20")
    extraction = prepare_extraction(textures, "unused.h5", settings=settings)
    assert list(extraction.requested) == ["max", "bilinear-reduce8-variance20", "compact-d64-reduce8"]
    with pytest.raises(UsageError, match="--reduce applies to bilinear and compact poolings"):
        prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="max", reduce=8))


@pytest.mark.parametrize("delay", [0.3, 0.9, 1.6])
def test_a_killed_extraction_resumes_to_an_identical_file(tmp_path: Path, delay: float) -> None:
    data = write_textures(tmp_path / "data", train=400, test=10)
    arguments = [
        str(data), "--weights", "none", "--layer", "relu1_1", "--image-size", "16", "--precision", "float32",
        "--pooling", "max,bilinear-reduce8,bilinear-variance50", "-b", "64", "-j", "0",
        "--set", "extract.fit_images=64",
    ]  # fmt: skip
    run = [sys.executable, "-c", "from birdnet_cli.cli.app import main; main()", "extract", *arguments, "-o"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([*run, str(tmp_path / "whole.h5")], check=True, env=environment, capture_output=True)

    broken = tmp_path / "broken.h5"
    process = subprocess.Popen(
        [*run, str(broken)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parts = Path(f"{broken}.parts")
    deadline = time.monotonic() + 60
    while not parts.exists() and not broken.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*run, str(broken)], check=True, env=environment, capture_output=True)
    assert_same_datasets(tmp_path / "whole.h5", broken)
    assert not parts.exists()
