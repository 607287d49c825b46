"""Kernels as fixtures: `kernels` runs a test emulated here and on a GPU where there is one."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
import torch

from birdnet_cli.core.ops import bilinear_pool
from tests.core.ops.cuda.kernels import Kernels, build_emulation, load_emulation

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    """The kernels' own sources, run on the CPU by the emulation in this folder."""
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("needs Linux and g++ to emulate the CUDA kernels")
    yield from load_emulation(build_emulation(tmp_path_factory.mktemp("emulation")))


@pytest.fixture(scope="session")
def gpu() -> Kernels:
    """The compiled kernels on the current GPU; an error if the reference runs in their place.

    FBN_TEST_CUDA_LIBRARY names a library to load instead of the one that the package builds.
    """
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    if library := os.environ.get("FBN_TEST_CUDA_LIBRARY"):
        torch.ops.load_library(library)
    bilinear_pool(torch.ones(1, 1, 1, device="cuda"))
    assert torch._C._dispatch_has_kernel_for_dispatch_key("fbn::bilinear_pool", "CUDA"), "the kernels did not load"
    return Kernels(torch.ops.fbn, torch.device("cuda", torch.cuda.current_device()))


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=[pytest.mark.cuda, needs_gpu])])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """The kernels, each way."""
    found: Kernels = request.getfixturevalue(request.param)
    return found
