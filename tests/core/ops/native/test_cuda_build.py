"""A CUDA library is compiled and loaded without a GPU."""

from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native import obtain_library, parse_architectures, plan_build, read_sources
from birdnet_cli.core.ops.native.load import open_library
from tests.core.ops.native.processes import HALVE_CUDA_KERNEL


def test_a_cuda_library_is_built_and_loads(csrc: Path) -> None:
    (csrc / "cuda").mkdir()
    (csrc / "cuda" / "halve_kernel.cu").write_text(HALVE_CUDA_KERNEL)
    sources = read_sources("cuda", csrc)
    assert sources is not None
    try:
        plan = plan_build(sources, architectures=parse_architectures("8.0"))
    except KernelError as error:
        pytest.skip(f"needs nvcc: {error}")
    library = open_library(obtain_library(plan, lambda _: None))
    assert (library.log, library.architectures, library.cuda) == ("", ("8.0",), torch.version.cuda)
    assert torch._C._dispatch_has_kernel_for_dispatch_key("fbn::halve", "CUDA")
