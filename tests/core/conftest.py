"""A small data set of textures and one extraction of it, shared by the engine's tests."""

from pathlib import Path

import pytest

from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.features.run import ExtractReport
from tests.core.textures import small_settings, write_textures


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_textures(tmp_path_factory.mktemp("data") / "textures", train=8, test=4)


@pytest.fixture(scope="session")
def extracted(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> ExtractReport:
    return extract(textures, tmp_path_factory.mktemp("cache") / "textures.h5", settings=small_settings())
