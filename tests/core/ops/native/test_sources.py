"""Which files make up a device's library."""

from pathlib import Path

import pytest

from birdnet_cli.core.ops.native import find_source_folder, read_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cpu/a/a_kernel.cpp", "cpu/tile.h", "cuda/a/a_kernel.cu", "cuda/a/mma.cuh", "shared.h", "README.md"):
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "sources"


@pytest.mark.parametrize(
    ("device", "unit", "header"),
    [("cpu", "cpu/a/a_kernel.cpp", "cpu/tile.h"), ("cuda", "cuda/a/a_kernel.cu", "cuda/a/mma.cuh")],
)
def test_a_device_has_its_own_files_and_the_shared_ones(folder: Path, device: str, unit: str, header: str) -> None:
    sources = read_sources(device, folder)
    assert sources is not None
    assert sources.files == {name: name.encode() for name in (unit, header, "shared.h")}
    assert sources.units == (unit,)


def test_units_lie_at_any_depth_of_the_devices_folder_and_nowhere_else(folder: Path) -> None:
    for name in ("cpu/b_kernel.cpp", "cpu/isa/wide/avx2.cpp", "cpus/c_kernel.cpp", "d_kernel.cpp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    sources = read_sources("cpu", folder)
    assert sources is not None
    assert sources.units == ("cpu/a/a_kernel.cpp", "cpu/b_kernel.cpp", "cpu/isa/wide/avx2.cpp")


def test_a_unit_is_called_after_its_op_and_holds_the_backward_too(folder: Path) -> None:
    (folder / "cpu" / "avx2.cpp").touch()
    sources = read_sources("cpu", folder)
    assert sources is not None
    assert sources.ops == {"a", "a_backward"}


def test_a_folder_without_units_has_nothing_to_build(folder: Path) -> None:
    (folder / "cuda" / "a" / "a_kernel.cu").unlink()
    assert read_sources("cuda", folder) is None


def test_a_folder_that_is_not_there_has_nothing_to_build(tmp_path: Path) -> None:
    assert read_sources("cpu", tmp_path / "absent") is None


def test_the_repository_has_a_source_folder() -> None:
    assert (find_source_folder() / "README.md").is_file()
