from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from birdnet_cli.core.cache import FeatureCache
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def settings_of(cache: Path) -> dict[str, object]:
    with FeatureCache.open(cache) as opened:
        return dict(opened.provenance["settings"])


def test_a_cache_is_written_and_summed_up_on_stdout(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    done = fbn("extract", few, "-o", "out.h5", *quick)
    assert done.code == 0
    assert done.out.startswith("out.h5: 9 of 9 images; avg (64); ")
    assert "vgg16 relu1_1: weights from random (seed 0), sha256 " in done.err
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/avg"].shape == (9, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few", "out.h5"]


def test_flags_reach_the_settings(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    flags = {
        "backbone": "vgg19", "weights": "none", "preprocessing": "oxford", "layer": "relu1_2", "image_size": 24,
        "resize": "letterbox", "dtype": "float32", "precision": "float32", "batch_size": 5, "workers": 0,
        "device": "cpu", "reduce": 7, "select": "variance:9",
    }  # fmt: skip
    options = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    done = fbn("extract", few, "-o", "out.h5", *options, "--flip", "--pooling", "max, bilinear")
    assert done.code == 0, done.err
    assert settings_of(tmp_path / "out.h5").items() >= (flags | {"flip": True, "pooling": ["max", "bilinear"]}).items()
    with FeatureCache.open(tmp_path / "out.h5") as cache:
        assert cache.descriptors == {"max": 64, "bilinear-reduce7-variance9": 9}
        assert cache.fingerprint["backbone"] == "vgg19"
        assert cache.fingerprint["preprocessing"]["channel_order"] == "bgr"
        assert cache.dtype == "float32"


def test_only_the_chosen_splits_are_extracted(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    assert fbn("extract", few, "-o", "out.h5", *quick, "--split", "test").code == 0
    with FeatureCache.open(tmp_path / "out.h5") as cache:
        assert cache.splits == ("test",) * 3


def test_compress_writes_a_compressed_file(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    assert fbn("extract", few, "-o", "out.h5", *quick, "--compress").code == 0
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/avg"].compression == "gzip"


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    fbn: Fbn, few: Path, quick: list[str], tmp_path: Path
) -> None:
    done = fbn("extract", few, "-o", "out.h5", *quick, "--dry-run")
    assert done.code == 0
    assert done.out.startswith("out.h5: 9 images; avg (64); ")
    assert "MB free space needed" in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["few"]


def test_the_same_command_again_finds_its_work_done(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    fbn("extract", few, "-o", "out.h5", *quick)
    before = (tmp_path / "out.h5").stat()
    done = fbn("extract", few, "-o", "out.h5", *quick)
    assert done.code == 0
    assert "out.h5: finished already with these settings" in done.err
    assert (tmp_path / "out.h5").stat().st_ino == before.st_ino


def test_other_settings_need_overwrite(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    fbn("extract", few, "-o", "out.h5", *quick)
    done = fbn("extract", few, "-o", "out.h5", *quick, "--pooling", "max")
    assert done.code == 1
    assert "out.h5: was made with other settings (descriptors" in done.err
    assert "--overwrite" in done.err
    assert fbn("extract", few, "-o", "out.h5", *quick, "--pooling", "max", "--overwrite").code == 0
    assert settings_of(tmp_path / "out.h5")["pooling"] == ["max"]


def test_a_bad_image_stops_the_extraction_and_is_named(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    (few / "train" / "rings" / "001.png").write_bytes(b"no image")
    done = fbn("extract", few, "-o", "out.h5", *quick)
    assert done.code == 1
    assert "train/rings/001.png: not a JPEG, PNG, WebP or BMP image" in done.err
    assert "--on-error skip" in done.err
    assert not (tmp_path / "out.h5").exists()


def test_skipped_images_are_listed_on_stderr_and_the_exit_code_is_3(
    fbn: Fbn, few: Path, quick: list[str], tmp_path: Path
) -> None:
    (few / "train" / "rings" / "001.png").write_bytes(b"")
    (few / "test" / "checks" / "000.png").write_bytes(b"no image")
    done = fbn("extract", few, "-o", "out.h5", *quick, "--on-error", "skip")
    assert done.code == 3
    assert done.out.startswith("out.h5: 7 of 9 images")
    assert "2 images could not be read:" in done.err
    assert "  train/rings/001.png: zero bytes" in done.err.splitlines()
    assert "  test/checks/000.png: not a JPEG" in done.err
    assert fbn("extract", few, "-o", "out.h5", *quick, "--on-error", "skip").code == 3


def test_more_failures_than_max_errors_are_fatal(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    for index in range(2):
        (few / "train" / "rings" / f"00{index}.png").write_bytes(b"")
    done = fbn("extract", few, "-o", "out.h5", *quick, "--on-error", "skip", "--max-errors", "1")
    assert done.code == 1
    assert "2 images cannot be read (1 allowed)" in done.err
    assert not (tmp_path / "out.h5").exists()


def test_a_recipe_is_overridden_by_flags_and_these_by_set(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extract: {weights: none, layer: relu1_1, pooling: [max, avg], image_size: 48, batch_size: 3, workers: 0}\n"
        "head: {C: 1e-4}\n"
    )
    done = fbn(
        "extract", few, "-o", "out.h5", "--recipe", "mine.yaml", "-b", "4", "--image-size", "32",
        "--set", "extract.image_size=16", "--set", "extract.flip=true",
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = {"image_size": 16, "batch_size": 4, "layer": "relu1_1", "pooling": ["max", "avg"], "flip": True}
    assert settings_of(tmp_path / "out.h5").items() >= expected.items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "extract.image_sise=64"], "unknown setting of 'extract' 'image_sise': did you mean image_size"),
        (["--set", "head.C=1"], "--set head.C=1: this command's settings are under 'extract.'"),
        (["--recipe", "absent"], "unknown recipe 'absent'"),
        (["--image-size", "8"], "extract.image_size: input should be greater than or equal to 16 (got 8)"),
        (["-b", "0"], "extract.batch_size: "),
        (["-j", "-1"], "extract.workers: "),
        (["--pooling", "bilinar"], "unknown pooling 'bilinar': did you mean bilinear"),
        (["--pooling", "max", "--reduce", "8"], "--reduce applies to bilinear and compact poolings"),
        (["--backbone", "vgg61"], "unknown backbone 'vgg61'"),
        (["--layer", "relu9_9"], "unknown layer of vgg16 'relu9_9': did you mean"),
        (["--device", "abacus"], "device 'abacus': expected auto, cpu, cuda or cuda:N"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_setting_is_a_usage_error(
    fbn: Fbn, few: Path, quick: list[str], tmp_path: Path, options: list[str], message: str
) -> None:
    done = fbn("extract", few, "-o", "out.h5", *quick, *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["few"]


def test_the_folder_of_the_output_is_made(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    assert fbn("extract", few, "-o", "features/today/out.h5", *quick).code == 0
    assert [path.name for path in (tmp_path / "features" / "today").iterdir()] == ["out.h5"]


def test_offline_weights_that_are_not_there_are_an_error_with_advice(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    env = {"FBN_OFFLINE": "1", "TORCH_HOME": str(tmp_path / "nothing")}
    done = fbn("extract", few, "-o", "out.h5", "--backbone", "alexnet", env=env)
    assert done.code == 1
    assert "offline mode forbids the download: put the file of https://" in done.err
    assert "--weights" in done.err


def test_quiet_leaves_only_notes(fbn: Fbn, few: Path, quick: list[str]) -> None:
    done = fbn("extract", few, "-o", "out.h5", *quick, "-q")
    assert done.err.splitlines() == [line for line in done.err.splitlines() if line.startswith("vgg16 relu1_1: ")]
