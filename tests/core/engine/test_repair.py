"""Damaged rows of a finished cache are found, named, and computed again from their images."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.repair import find_damage, repair_cache
from birdnet_cli.core.errors import CacheError, WeightsError
from birdnet_cli.core.features.run import ExtractReport
from tests.core.textures import POOLINGS, flip_byte, small_settings, write_textures

ROW = 17


@pytest.fixture
def cache(extracted: ExtractReport, tmp_path: Path) -> Path:
    return Path(shutil.copy(extracted.output, tmp_path / "copy.h5"))


def read_rows(path: Path, name: str) -> np.ndarray:
    with FeatureCache.open(path) as opened:
        return np.concatenate([block.copy() for _, block in opened.blocks(name)])


def test_a_whole_cache_has_no_damage(cache: Path) -> None:
    assert find_damage(cache) == []


@pytest.mark.parametrize("name", POOLINGS)
def test_one_flipped_bit_names_its_row_and_repair_restores_it(
    cache: Path, extracted: ExtractReport, textures: Path, name: str
) -> None:
    flip_byte(cache, name, ROW)
    (damaged,) = find_damage(cache)
    with FeatureCache.open(cache) as opened:
        assert (damaged.descriptor, damaged.row, damaged.name) == (name, ROW, opened.names[ROW])
    repair_cache(cache, [damaged], data=textures, weights="none")
    assert find_damage(cache) == []
    for descriptor in POOLINGS:
        before, after = (read_rows(path, descriptor) for path in (extracted.output, cache))
        np.testing.assert_allclose(after[ROW], before[ROW], rtol=2e-3, atol=1e-6, err_msg=descriptor)
        np.testing.assert_array_equal(np.delete(after, ROW, 0), np.delete(before, ROW, 0), err_msg=descriptor)


def test_several_rows_of_several_descriptors_are_repaired_at_once(cache: Path, textures: Path) -> None:
    for name, row in (("max", 0), ("max", 35), ("bilinear", 3)):
        flip_byte(cache, name, row)
    damaged = find_damage(cache)
    assert [(damage.descriptor, damage.row) for damage in damaged] == [("bilinear", 3), ("max", 0), ("max", 35)]
    repair_cache(cache, damaged, data=textures, weights="none")
    assert find_damage(cache) == []


def test_a_failed_image_is_repaired_to_its_zeros(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=2, test=1)
    (data / "train" / "rings" / "001.png").write_bytes(b"")
    cache = tmp_path / "c.h5"
    extract(data, cache, settings=small_settings(pooling="max"), on_error="skip")
    with FeatureCache.open(cache) as opened:
        row = opened.names.index("train/rings/001.png")
    flip_byte(cache, "max", row)
    (damaged,) = find_damage(cache)
    assert damaged.row == row
    repair_cache(cache, [damaged], data=data, weights="none")
    assert find_damage(cache) == []
    assert not read_rows(cache, "max")[row].any()


def repaint(image: Path) -> None:
    image.write_bytes((image.parent / "001.png").read_bytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (repaint, "is another file than the one extracted"),
        (lambda image: image.write_bytes(b""), "zero bytes"),
        (lambda image: image.unlink(), "has no image train/stripes/000.png; give the data set that was extracted"),
    ],
    ids=["another", "empty", "gone"],
)
def test_an_image_that_is_not_the_one_extracted_is_refused(
    cache: Path, textures: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    data = Path(shutil.copytree(textures, tmp_path / "data"))
    with FeatureCache.open(cache) as opened:
        row = opened.names.index("train/stripes/000.png")
    flip_byte(cache, "max", row)
    before = cache.read_bytes()
    change(data / "train" / "stripes" / "000.png")
    with pytest.raises(CacheError, match=rf"copy\.h5: .*{message}"):
        repair_cache(cache, find_damage(cache), data=data, weights="none")
    assert cache.read_bytes() == before


def test_other_weights_are_refused(cache: Path, textures: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"features.0.weight": torch.ones(64, 3, 3, 3)}, tmp_path / "other.safetensors")
    flip_byte(cache, "max", ROW)
    with pytest.raises(WeightsError, match=r"copy\.h5: was made with vgg16 weights of sha256"):
        repair_cache(cache, find_damage(cache), data=textures, weights=str(tmp_path / "other.safetensors"))
    assert len(find_damage(cache)) == 1


def test_a_flipped_average_is_repaired_with_its_mirror(textures: Path, tmp_path: Path) -> None:
    cache = tmp_path / "flip.h5"
    extract(textures, cache, settings=small_settings(pooling="avg,bilinear-variance50", flip=True))
    before = read_rows(cache, "bilinear-variance50")
    flip_byte(cache, "bilinear-variance50", ROW)
    repair_cache(cache, find_damage(cache), data=textures, weights="none")
    np.testing.assert_allclose(read_rows(cache, "bilinear-variance50"), before, rtol=2e-3, atol=1e-6)
