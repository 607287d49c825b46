"""The kernels' own sources: they compile without a warning, for the CPU and, GPU or not, for CUDA."""

from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.library import has_kernel
from birdnet_cli.core.ops.native import (
    KernelSources,
    find_cuda_toolkit,
    find_source_folder,
    load_kernels,
    obtain_library,
    parse_architectures,
    plan_build,
    read_mode,
    read_sources,
)


def sources_of(device: str) -> KernelSources:
    """Return the repository's sources, or skip and say what is missing."""
    sources = read_sources(device, find_source_folder())
    if sources is None:
        pytest.skip(f"needs kernels in csrc/{device}, which has none")
    return sources


def build_for_cuda(architectures: str) -> str:
    """Compile every .cu and return what the compilers said, or skip and say what is missing."""
    sources = sources_of("cuda")
    try:
        find_cuda_toolkit(torch.version.cuda or "")
        plan = plan_build(sources, architectures=parse_architectures(architectures))
    except KernelError as error:
        pytest.skip(f"needs nvcc: {error}")
    return obtain_library(plan, lambda _: None).log


def test_the_cpu_library_compiles_without_a_warning() -> None:
    sources = sources_of("cpu")
    try:
        plan = plan_build(sources)
    except KernelError as error:
        pytest.skip(f"needs a C++ compiler: {error}")
    assert obtain_library(plan, lambda _: None).log == ""


def test_every_unit_of_the_cpu_registers_the_op_that_it_is_called_after() -> None:
    sources = sources_of("cpu")
    if read_mode() == "reference" or load_kernels("cpu").library is None:
        pytest.skip(f"needs compiled kernels: {load_kernels('cpu').reason}")
    unknown = {name for name in sources.ops if not name.endswith("_backward") and not has_kernel(name, "cpu")}
    assert not unknown


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_kernel_of_an_op_lies_in_the_folder_of_its_name(device: str) -> None:
    units = [Path(unit) for unit in sources_of(device).units if "_kernel." in unit]
    folders = {str(unit.parent) for unit in units}
    assert folders == {f"{device}/{unit.stem.removesuffix('_kernel')}" for unit in units}
    assert len(folders) == len(units) > 0


def test_every_cuda_unit_compiles_without_a_warning() -> None:
    assert build_for_cuda("8.0") == ""


@pytest.mark.slow
def test_every_cuda_unit_compiles_for_what_a_wheel_carries() -> None:
    assert build_for_cuda("8.0;8.6;8.9;9.0;10.0+PTX") == ""
