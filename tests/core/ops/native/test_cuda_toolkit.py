"""Finding an nvcc that fits PyTorch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native import cuda_toolkit
from birdnet_cli.core.ops.native.cuda_toolkit import find_cuda_toolkit

Program = Callable[[str, str], Path]

SAYS = "echo 'Cuda compilation tools, release {0}, V{0}.88'"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No toolkit but those that a test makes."""
    monkeypatch.setattr(cuda_toolkit, "DEFAULT", tmp_path / "default" / "bin" / "nvcc")
    monkeypatch.setattr(cuda_toolkit, "_pip_folders", lambda _: [])


def place(program: Program, home: Path, version: str) -> Path:
    """Put an nvcc of a version into a folder, as `bin/nvcc`."""
    (home / "bin").mkdir(parents=True)
    return program("nvcc", SAYS.format(version)).rename(home / "bin" / "nvcc")


def pip_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return `nvidia/cu13` as pip fills it, without nvcc."""
    folder = tmp_path / "site-packages" / "nvidia" / "cu13"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "libcudart.so.13").touch()
    monkeypatch.setattr(cuda_toolkit, "_pip_folders", lambda major: [folder] if major == "13" else [])
    return folder


@pytest.mark.parametrize("variable", ["CUDA_HOME", "CUDA_PATH"])
def test_the_variable_goes_before_the_path(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    mine = place(program, tmp_path / "mine", "13.1")
    other = place(program, tmp_path / "other", "13.0")
    monkeypatch.setenv(variable, str(tmp_path / "mine"))
    monkeypatch.setenv("PATH", f"{other.parent}:/usr/bin:/bin")
    found = find_cuda_toolkit("13.0")
    assert (found.nvcc, found.version, found.origin) == (mine, "13.1.88", variable)


def test_a_variable_that_names_another_major_version_is_refused_rather_than_passed_over(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = place(program, tmp_path / "wrong", "12.8")
    right = place(program, tmp_path / "right", "13.0")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "wrong"))
    monkeypatch.setenv("PATH", f"{right.parent}:/usr/bin:/bin")
    with pytest.raises(KernelError) as caught:
        find_cuda_toolkit("13.0")
    assert caught.value.reason == (
        f"no nvcc of CUDA 13, with which this PyTorch was built: refused: {wrong} (from CUDA_HOME) is 12.8.88"
    )
    assert "'nvidia-cuda-nvcc==13.0.*'" in caught.value.remedy


def test_a_variable_that_names_no_toolkit_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(KernelError, match=r"CUDA_HOME is .*, which has no bin/nvcc; unset or mend CUDA_HOME"):
        find_cuda_toolkit("13.0")


def test_a_wrong_one_on_the_path_is_passed_over_for_pips(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = place(program, tmp_path / "wrong", "12.8")
    folder = pip_folder(tmp_path, monkeypatch)
    right = place(program, folder, "13.0")
    monkeypatch.setenv("PATH", f"{wrong.parent}:/usr/bin:/bin")
    found = find_cuda_toolkit("13.0")
    assert (found.nvcc, found.origin) == (right, "pip")
    assert found.includes == (folder / "include", folder / "include" / "cccl")
    assert found.runtime == folder / "lib" / "libcudart.so.13"


def test_a_systems_toolkit_does_not_see_the_headers_of_pips(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = pip_folder(tmp_path, monkeypatch)
    system = place(program, tmp_path / "default", "13.2")
    monkeypatch.setenv("PATH", "/nowhere")
    found = find_cuda_toolkit("13.0")
    assert (found.nvcc, found.includes) == (system, ())
    assert found.runtime == folder / "lib" / "libcudart.so.13"


def test_without_any_the_error_names_the_packages_of_the_right_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(KernelError) as caught:
        find_cuda_toolkit("12.9")
    assert "found none in CUDA_HOME, on PATH or among pip's packages" in caught.value.reason
    assert caught.value.remedy == (
        "python -m pip install 'nvidia-cuda-nvcc==12.9.*' 'nvidia-cuda-crt==12.9.*' 'nvidia-nvvm==12.9.*' "
        "'nvidia-cuda-cccl==12.9.*'"
    )


def test_the_extra_installs_the_same_packages() -> None:
    text = Path(__file__).parents[4].joinpath("pyproject.toml").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("cuda = [")]
    assert all(f'"{name}==13.0.*"' in line for name in cuda_toolkit.PACKAGES)


def test_an_nvcc_that_tells_no_version_is_an_error(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nvcc = program("nvcc", "echo hello")
    (tmp_path / "home" / "bin").mkdir(parents=True)
    nvcc.rename(tmp_path / "home" / "bin" / "nvcc")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    with pytest.raises(KernelError, match="tells no version: 'hello'"):
        find_cuda_toolkit("13.0")
