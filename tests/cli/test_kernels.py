"""`fbn kernels`: report, build, clean."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.ops import native
from birdnet_cli.core.ops.native import load
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="needs the C++ compiler c++ on PATH")


@pytest.fixture
def csrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of `bilinear_pool` for the CPU that hold nothing yet, a store of their own, and no GPU."""
    folder = tmp_path / "csrc"
    (folder / "cpu").mkdir(parents=True)
    (folder / "cpu" / "bilinear_pool_kernel.cpp").write_text("int nothing;\n")
    for module in (load, native):
        monkeypatch.setattr(module, "find_source_folder", lambda: folder)
    monkeypatch.setattr(load, "PACKAGE", tmp_path)
    monkeypatch.setattr(load, "_states", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("FBN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FBN_OPS", "auto")
    monkeypatch.delenv("CXX", raising=False)
    return folder


def ops(done: Finished) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["op"], row["device"]): row for row in json.loads(done.out)["ops"]}


@pytest.fixture
def uncompiled(csrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had loaded no kernel."""
    monkeypatch.setattr("birdnet_cli.core.ops.status.has_kernel", lambda *_: False)


@needs_compiler
@pytest.mark.usefixtures("uncompiled")
def test_status_says_what_the_first_use_will_compile_and_compiles_nothing(fbn: Fbn, tmp_path: Path) -> None:
    done = fbn("kernels", "status", "--json")
    rows = ops(done)
    for name in ("bilinear_pool", "bilinear_pool_backward"):
        assert rows[name, "cpu"]["runs"] == "compiled on first use"
        assert rows[name, "cpu"]["remedy"] == "fbn kernels build"
    assert (rows["compact_bilinear_pool", "cpu"]["runs"], rows["compact_bilinear_pool", "cpu"]["why"]) == (
        "reference",
        "it has no cpu kernel",
    )
    assert rows["bilinear_pool", "cuda"]["runs"] == "nothing"
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("uncompiled")
def test_status_says_why_the_reference_runs_and_what_to_do(fbn: Fbn) -> None:
    rows = ops(fbn("kernels", "status", "--json", env={"PATH": "/nowhere"}))
    assert rows["bilinear_pool", "cpu"]["runs"] == "reference"
    assert rows["bilinear_pool", "cpu"]["why"] == "no C++ compiler: none of c++, g++, clang++ is on PATH"
    assert "apt install g++" in rows["bilinear_pool", "cpu"]["remedy"]


@pytest.mark.usefixtures("uncompiled")
def test_status_honours_the_mode(fbn: Fbn) -> None:
    done = fbn("kernels", "status", "--json", env={"FBN_OPS": "reference"})
    assert json.loads(done.out)["mode"] == "reference"
    assert ops(done)["bilinear_pool", "cpu"]["why"] == "FBN_OPS=reference"


@needs_compiler
def test_status_names_the_library_that_is_loaded(fbn: Fbn, csrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fbn("kernels", "build").out.split()[1]
    monkeypatch.setattr("birdnet_cli.core.ops.status.has_kernel", lambda _, device: device == "cpu")
    done = fbn("kernels", "status", "--json")
    assert json.loads(done.out)["libraries"] == {"cpu": path}
    assert ops(done)["bilinear_pool", "cpu"]["runs"] == "compiled"
    assert ops(done)["bilinear_pool", "cpu"]["why"].startswith("built here by ")


@pytest.mark.usefixtures("uncompiled")
def test_the_table_names_tools_folder_and_every_op(fbn: Fbn, tmp_path: Path) -> None:
    out = fbn("kernels", "status").out
    assert f"built kernels: {tmp_path / 'cache' / 'ops'}" in out
    for words in ("FBN_OPS: auto", "C++ compiler: ", "nvcc: ", "ninja: ", "fbn::compact_bilinear_pool_backward"):
        assert words in out


def test_a_misspelt_mode_is_a_usage_error(fbn: Fbn) -> None:
    done = fbn("kernels", "status", env={"FBN_OPS": "nativ"})
    assert (done.code, done.err) == (2, "error: unknown FBN_OPS 'nativ': did you mean native?\n")


@needs_compiler
def test_build_compiles_once_and_prints_where_the_library_is(fbn: Fbn, csrc: Path, tmp_path: Path) -> None:
    first, second = fbn("kernels", "build"), fbn("kernels", "build", "--device", "cpu")
    assert (first.code, second.code) == (0, 0)
    assert first.err.startswith("compiling the cpu kernels with ")
    assert second.err == ""
    assert first.out == second.out
    device, path = first.out.split()[:2]
    assert device == "cpu:"
    assert Path(path).is_relative_to(tmp_path / "cache" / "ops")
    assert Path(path).is_file()


@needs_compiler
def test_a_failed_build_shows_all_that_the_compiler_says(fbn: Fbn, csrc: Path) -> None:
    wrong = "".join(f"int a{i} = missing{i};\n" for i in range(30))
    (csrc / "cpu" / "bilinear_pool_kernel.cpp").write_text(wrong)
    done = fbn("kernels", "build")
    assert (done.code, done.out) == (1, "")
    assert all(f"'missing{i}' was not declared" in done.err for i in range(30))
    assert done.err.splitlines()[-1].endswith("fails to compile the cpu kernels; its output is above")


def test_building_without_a_compiler_fails_with_what_to_do(fbn: Fbn, csrc: Path) -> None:
    done = fbn("kernels", "build", env={"PATH": "/nowhere"})
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: no C++ compiler: ")


def test_building_without_sources_fails(fbn: Fbn, csrc: Path) -> None:
    done = fbn("kernels", "build", "--device", "cuda")
    assert done.code == 1
    assert done.err == f"error: {csrc}: no sources of cuda kernels; the reference runs there; choose another --device\n"


@needs_compiler
def test_all_devices_must_be_built_where_all_are_asked_for(fbn: Fbn, csrc: Path) -> None:
    assert fbn("kernels", "build", "--device", "all").code == 1


@needs_compiler
def test_a_wrong_architecture_is_a_usage_error(fbn: Fbn, csrc: Path) -> None:
    (csrc / "cuda").mkdir()
    (csrc / "cuda" / "a_kernel.cu").touch()
    done = fbn("kernels", "build", "--device", "cuda", "--arch", "eight")
    assert done.code == 2
    assert "GPU architecture 'eight': expected such as 8.0" in done.err


@needs_compiler
def test_build_into_a_wheel_prints_the_new_wheel(fbn: Fbn, csrc: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "birdnet_cli-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("birdnet_cli/_csrc/cpu/bilinear_pool_kernel.cpp", "int nothing;\n")
        archive.writestr("birdnet_cli-1.dist-info/WHEEL", "Tag: py3-none-any\n")
        archive.writestr("birdnet_cli-1.dist-info/RECORD", "")
    done = fbn("kernels", "build", "--into-wheel", tmp_path)
    assert done.code == 0, done.err
    with zipfile.ZipFile(done.out.strip()) as archive:
        assert "birdnet_cli/_C_cpu.so" in archive.namelist()


@needs_compiler
def test_clean_removes_built_kernels_and_nothing_else(fbn: Fbn, csrc: Path, tmp_path: Path) -> None:
    fbn("kernels", "build")
    store = tmp_path / "cache" / "ops"
    (store / "mine").mkdir()
    done = fbn("kernels", "clean")
    assert done.out.startswith(f"{store}: libraries removed: 1 (")
    assert [path.name for path in store.iterdir()] == ["mine"]
    assert fbn("kernels", "clean").out == f"{store}: libraries removed: 0 (0.0 MB)\n"
