"""How compilers are called, and what the address of a library covers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native import KernelSources, plan_build
from birdnet_cli.core.ops.native.plan import BuildPlan

Program = Callable[[str, str], Path]

CPU = KernelSources("cpu", {"cpu/a_kernel.cpp": b"int a;", "cpu/tile.h": b"int b;"})
CUDA = KernelSources("cuda", {"cuda/a_kernel.cu": b"int a;"})


@pytest.fixture(autouse=True)
def tools(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiler and an nvcc that only tell their versions."""
    monkeypatch.setenv("CXX", str(program("c++", "echo c++ 12")))
    nvcc = program(
        "nvcc", 'case "$1" in --list-gpu-arch) echo compute_80 compute_90;; *) echo release 13.0, V13.0.88;; esac'
    )
    (tmp_path / "cuda" / "bin").mkdir(parents=True)
    nvcc.rename(tmp_path / "cuda" / "bin" / "nvcc")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.setattr(torch.version, "cuda", "13.0")


def test_the_stable_abi_of_the_oldest_supported_pytorch_is_the_target() -> None:
    for plan in (plan_build(CPU), plan_build(CUDA)):
        assert "-DTORCH_TARGET_VERSION=0x020b000000000000" in plan.compile


def test_no_flag_makes_numbers_or_libraries_depend_on_the_machine() -> None:
    for plan in (plan_build(CPU), plan_build(CUDA)):
        assert not {"-march=native", "-ffast-math", "-Ofast", "--use_fast_math", "-fopenmp"} & {*plan.compile}


def test_headers_of_pytorch_are_system_headers_and_libraries_follow_the_objects() -> None:
    plan = plan_build(CPU)
    include = str(Path(torch.__file__).parent / "include")
    assert plan.compile[plan.compile.index(include) - 1] == "-isystem"
    assert not any(word.startswith("-l") for word in plan.link)
    assert {"-ltorch_cpu", "-ltorch"} <= {*plan.libraries}


def test_the_address_is_the_same_for_the_same_build() -> None:
    assert plan_build(CPU).address == plan_build(CPU).address
    assert len(plan_build(CPU).address) == 64


def other_flag(monkeypatch: pytest.MonkeyPatch, _: Program) -> BuildPlan:
    monkeypatch.setenv("FBN_CXXFLAGS", "-g")
    return plan_build(CPU)


def other_compiler(monkeypatch: pytest.MonkeyPatch, program: Program) -> BuildPlan:
    monkeypatch.setenv("CXX", str(program("c++", "echo c++ 13")))
    return plan_build(CPU)


def other_word_of_cxx(monkeypatch: pytest.MonkeyPatch, program: Program) -> BuildPlan:
    monkeypatch.setenv("CXX", f"{program('c++', 'echo c++ 12')} -m32")
    return plan_build(CPU)


def other_source(*_: object) -> BuildPlan:
    return plan_build(replace(CPU, files={**CPU.files, "cpu/a_kernel.cpp": b"int c;"}))


def other_header(*_: object) -> BuildPlan:
    return plan_build(replace(CPU, files={**CPU.files, "cpu/tile.h": b"int c;"}))


def other_name(*_: object) -> BuildPlan:
    return plan_build(KernelSources("cpu", {"cpu/b_kernel.cpp": b"int a;", "cpu/tile.h": b"int b;"}))


@pytest.mark.parametrize(
    "change", [other_flag, other_compiler, other_word_of_cxx, other_source, other_header, other_name]
)
def test_the_address_changes_with(
    change: Callable[[pytest.MonkeyPatch, Program], BuildPlan], monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    before = plan_build(CPU).address
    assert change(monkeypatch, program).address != before


def test_the_address_does_not_change_with_the_folder_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, program: Program, tmp_path: Path
) -> None:
    before = plan_build(CPU).address
    monkeypatch.setenv("CXX", str(program("c++", "echo c++ 12").rename(tmp_path / "g++")))
    assert plan_build(CPU).address == before


def test_the_address_changes_with_the_architectures_of_gpus() -> None:
    assert plan_build(CUDA, architectures=("8.0",)).address != plan_build(CUDA, architectures=("9.0",)).address


def test_extra_flags_reach_the_compiler_and_the_linker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_CXXFLAGS", "-fsanitize=address '-DNAME=a b'")
    plan = plan_build(CPU)
    for command in (plan.compile, plan.link):
        assert {"-fsanitize=address", "-DNAME=a b"} <= {*command}


def test_nvcc_compiles_for_cuda_with_the_same_host_compiler() -> None:
    plan = plan_build(CUDA, architectures=("9.0",))
    assert Path(plan.compile[0]).name == "nvcc"
    assert plan.compile[1:3] == ("-ccbin", plan_build(CPU).compile[0])
    assert "-DUSE_CUDA" in plan.compile
    assert "-gencode=arch=compute_90,code=sm_90" in plan.compile
    assert plan.tool == "nvcc 13.0.88"


def test_a_pytorch_without_cuda_cannot_have_cuda_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(KernelError, match="this PyTorch is built without CUDA"):
        plan_build(CUDA)


def test_other_systems_than_linux_have_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(KernelError, match="kernels are built on Linux only, this is darwin"):
        plan_build(CPU)
