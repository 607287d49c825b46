"""A small data set, a cache and a model of it, and a command line that runs in this process."""

import io
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.cli.app import main
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.model import read_model_file, write_model_file
from birdnet_cli.core.recipe import HeadSettings
from tests.cli.command_line import KEPT, Finished
from tests.core.textures import small_settings, write_textures


@pytest.fixture
def fbn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run a command line in this process, in `tmp_path`, without fbn's own environment variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FBN_") and name not in KEPT]:
        monkeypatch.delenv(name)

    def run(*arguments: object, input: bytes = b"", env: dict[str, str] | None = None) -> Finished:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["fbn", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input), encoding="utf-8"))
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            before = signal.getsignal(signal.SIGTERM)
            capsys.readouterr()
            try:
                with pytest.raises(SystemExit) as exit:
                    main()
            finally:
                signal.signal(signal.SIGTERM, before)
        out, err = capsys.readouterr()
        return Finished(int(exit.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_textures(tmp_path_factory.mktemp("data") / "textures", train=8, test=4)


@pytest.fixture(scope="session")
def whole_cache(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = small_settings(pooling="max,avg,bilinear-variance50")
    return extract(textures, tmp_path_factory.mktemp("cache") / "textures.h5", settings=settings).output


@pytest.fixture(scope="session")
def whole_model(whole_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("model") / "textures.safetensors"
    settings = HeadSettings(C=1000.0, cv=2)
    return train_head(whole_cache, output, pooling="avg", settings=settings, weights="none").output


@pytest.fixture
def cache(whole_cache: Path, tmp_path: Path) -> Path:
    """A cache that a test may change: avg, bilinear-variance50 and max of 36 textures."""
    return Path(shutil.copy(whole_cache, tmp_path / "textures.h5"))


@pytest.fixture
def model(whole_model: Path, tmp_path: Path) -> Path:
    """A model that a test may change: the three classes of textures, avg."""
    return Path(shutil.copy(whole_model, tmp_path / "m.safetensors"))


@pytest.fixture
def poor_model(whole_model: Path, tmp_path: Path) -> Path:
    """The same model with a head that predicts checks for every image."""
    description, tensors = read_model_file(whole_model)
    tensors["head"]["bias"][0] += 1000
    write_model_file(tmp_path / "poor.safetensors", description, tensors)
    return tmp_path / "poor.safetensors"


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Nine images that a test may damage: two per class for training, one for testing."""
    return write_textures(tmp_path / "few", train=2, test=1)


@pytest.fixture
def quick() -> list[str]:
    """Options of an extraction that takes a moment."""
    return ["--weights", "none", "--layer", "relu1_1", "--image-size", "16", "--pooling", "avg", "-j", "0"]


@pytest.fixture
def photos(tmp_path: Path, textures: Path) -> Path:
    """A folder with a readable image, an unreadable file and a readable image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "c"):
        (folder / f"{name}.png").write_bytes((textures / "test" / "rings" / "000.png").read_bytes())
    (folder / "b, or not.png").write_bytes(b"no image")
    return folder
