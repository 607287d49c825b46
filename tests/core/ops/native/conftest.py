"""A store and a source folder of one's own, and programs that stand in for tools."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.ops.native import load

VARIABLES = ("CXX", "CUDA_HOME", "CUDA_PATH", "FBN_CXXFLAGS", "FBN_OPS", "MAX_JOBS", "TORCH_CUDA_ARCH_LIST")

# No header of PyTorch: it compiles in a tenth of a second.
PLAIN = 'extern "C" __attribute__((visibility("default"))) int answer() { return 42; }\n'

Program = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of built libraries, empty; and no variable that would change how they are built."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FBN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ops"


@pytest.fixture
def csrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source folder with one plain unit for the CPU, from which a process loads as if it had not tried yet."""
    folder = tmp_path / "csrc"
    (folder / "cpu").mkdir(parents=True)
    (folder / "cpu" / "answer_kernel.cpp").write_text(PLAIN)
    monkeypatch.setattr(load, "find_source_folder", lambda: folder)
    monkeypatch.setattr(load, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(load, "_states", {})
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """`program(name, body)` writes a shell script into a folder of its own and returns its path."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def compiler() -> str:
    """The C++ compiler of this machine."""
    found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if found is None:
        pytest.skip("needs a C++ compiler, which is not on PATH")
    return found
