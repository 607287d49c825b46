"""Small data sets of textures and extractions of them, shared by the stages' tests."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.features.run import ExtractReport
from tests.core.textures import small_settings, write_textures


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_textures(tmp_path_factory.mktemp("data") / "textures", train=8, test=4)


@pytest.fixture(scope="session")
def extracted(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> ExtractReport:
    return extract(textures, tmp_path_factory.mktemp("cache") / "textures.h5", settings=small_settings())


@pytest.fixture(scope="session")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set with a wrong label, a copy, a near-copy across splits and a picture of nothing, and its cache."""
    root = write_textures(tmp_path_factory.mktemp("flawed") / "data", train=16, test=4, seed=3)
    (root / "train" / "rings" / "wrong.png").write_bytes((root / "train" / "stripes" / "003.png").read_bytes())
    (root / "train" / "stripes" / "003.png").unlink()
    shutil.copy(root / "train" / "checks" / "001.png", root / "train" / "checks" / "copy.png")
    pixels = np.asarray(Image.open(root / "train" / "stripes" / "005.png")).astype(np.int16)
    Image.fromarray(np.clip(pixels + 2, 0, 255).astype(np.uint8)).save(root / "test" / "stripes" / "near.png")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(root / "train" / "checks" / "noise.png")
    (root / "train" / "rings" / "bad.png").write_bytes(b"no image")
    settings = small_settings(pooling="max,bilinear")
    return root, extract(root, root.parent / "flawed.h5", settings=settings, on_error="skip").output
