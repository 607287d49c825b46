"""A wheel with prebuilt libraries: what is in it, and that it needs no compiler where it is installed."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from birdnet_cli._version import __version__
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops.native import find_wheel, obtain_library, plan_build, put_into_wheel, read_wheel_sources
from birdnet_cli.core.ops.native.sources import PACKAGE
from tests.core.ops.native.conftest import PLAIN
from tests.core.ops.native.processes import HALVE_KERNEL, run_python

PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
INFO = f"birdnet_cli-{__version__}.dist-info"


def write_wheel(folder: Path, kernel: str) -> Path:
    """Write the wheel that hatchling would, with the package's own modules and one kernel's source."""
    files = {f"birdnet_cli/{path.relative_to(PACKAGE)}": path.read_bytes() for path in PACKAGE.rglob("*.py")}
    files["birdnet_cli/_csrc/cpu/halve_kernel.cpp"] = kernel.encode()
    files[f"{INFO}/METADATA"] = f"Metadata-Version: 2.4\nName: birdnet-cli\nVersion: {__version__}\n".encode()
    files[f"{INFO}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{INFO}/RECORD"] = b""
    wheel = folder / f"birdnet_cli-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel


def fill(wheel: Path) -> Path:
    """Build the wheel's CPU library and put it in."""
    sources = read_wheel_sources(wheel, "cpu")
    assert sources is not None
    return put_into_wheel(wheel, [obtain_library(plan_build(sources), lambda _: None)])


@pytest.mark.usefixtures("compiler")
def test_the_new_wheel_is_tagged_for_any_python_on_this_platform(tmp_path: Path) -> None:
    wheel = fill(write_wheel(tmp_path, PLAIN))
    assert wheel == tmp_path / f"birdnet_cli-{__version__}-py3-none-{PLATFORM}.whl"
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read(f"{INFO}/WHEEL").decode().splitlines()
    assert lines[-1] == f"Tag: py3-none-{PLATFORM}"
    assert "Root-Is-Purelib: false" in lines
    assert "Tag: py3-none-any" not in lines


@pytest.mark.usefixtures("compiler")
def test_the_record_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    with zipfile.ZipFile(fill(write_wheel(tmp_path, PLAIN))) as archive:
        rows = list(csv.reader(io.StringIO(archive.read(f"{INFO}/RECORD").decode())))
        assert sorted(row[0] for row in rows) == sorted(archive.namelist())
        assert {"birdnet_cli/_C_cpu.so", "birdnet_cli/_C_cpu.json"} <= {row[0] for row in rows}
        for name, digest, size in rows:
            if name.endswith("RECORD"):
                continue
            content = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(content)))


@pytest.mark.usefixtures("compiler")
def test_filling_a_wheel_again_replaces_its_libraries(tmp_path: Path) -> None:
    wheel = fill(write_wheel(tmp_path, PLAIN))
    assert fill(wheel) == wheel
    with zipfile.ZipFile(wheel) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))


@pytest.mark.usefixtures("compiler")
def test_where_it_is_installed_kernels_run_without_a_compiler(tmp_path: Path, store: Path) -> None:
    wheel = fill(write_wheel(tmp_path, HALVE_KERNEL))
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    script = f"""
import os, sys
sys.path.insert(0, {str(site)!r})
import torch, birdnet_cli
from birdnet_cli.core.ops.library import define_op
define_op("halve(Tensor x) -> Tensor", reference=lambda x: x * 3, fake=torch.empty_like)
print(birdnet_cli.__file__.startswith({str(site)!r}), torch.ops.fbn.halve(torch.ones(1)).item())
"""
    answer = run_python(script, PATH="/nowhere", FBN_OPS="native", FBN_CACHE_DIR=str(tmp_path / "none"))
    assert answer == "True 0.5\n"
    assert not (tmp_path / "none").exists()


def test_a_folder_with_one_wheel_stands_for_it(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, PLAIN)
    assert find_wheel(tmp_path) == wheel
    assert find_wheel(wheel) == wheel


def test_a_folder_without_a_wheel_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a wheel, .* got none; python -m pip wheel \. --no-deps -w dist"):
        find_wheel(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18], ids=["no zip", "an empty zip"])
def test_what_is_no_wheel_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a wheel"):
        read_wheel_sources(path, "cpu")


def test_a_wheel_without_kernels_for_a_device_has_nothing_to_build(tmp_path: Path) -> None:
    assert read_wheel_sources(write_wheel(tmp_path, PLAIN), "cuda") is None
