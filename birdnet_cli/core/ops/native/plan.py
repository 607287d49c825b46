"""The plan of a build: its commands, the files that they read, and the address computed from both."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native.architectures import choose_architectures, code_flags
from birdnet_cli.core.ops.native.cuda_toolkit import CudaToolkit, find_cuda_toolkit
from birdnet_cli.core.ops.native.sources import KernelSources
from birdnet_cli.core.ops.native.toolchain import find_compiler

__all__ = ["BuildPlan", "plan_build"]

# Part of the address: to be changed with the format of the ninja file or of the finished folder, which `BuildPlan` does
# not describe.
FORMAT = "1"
# PyTorch's stable ABI as of 2.11: a library runs with that version and every later one, and with any Python.
STABLE_ABI = "-DTORCH_TARGET_VERSION=0x020b000000000000"
# gcc 12 warns about its own `_mm256_undefined_ps`. PyTorch itself is compiled with the last two flags: they change no
# value, and let the compiler vectorise a loop of square roots.
CPU_FLAGS = (
    "-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-uninitialized",
    "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip
CUDA_FLAGS = (
    "-std=c++20", "-O3", "-DUSE_CUDA", "--expt-relaxed-constexpr",
    "-Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra",
)  # fmt: skip
# Without --no-undefined, a missing symbol would be an error only when the library is loaded.
CPU_LINK_FLAGS = ("-shared", "-Wl,--no-undefined")
CPU_LIBRARIES = ("-ltorch_cpu", "-ltorch")
# nvcc links, because it knows where its runtime is. The runtime is shared with PyTorch: a library for another CUDA
# version then fails to load, rather than to launch.
CUDA_LINK_FLAGS = ("-shared", "-cudart=shared", "-cudadevrt=none", "--no-device-link", "-Xlinker=--no-undefined")
CUDA_LIBRARIES = (*CPU_LIBRARIES, "-ltorch_cuda", "-lc10_cuda")


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The sources, tools and commands of a build.

    The address depends on all of them but the folders of this machine.

    Attributes:
        sources: the files.
        flags: flags of the compiler; part of the address.
        tools: name and version of each compiler, as it prints them; part of the address.
        compile: the command that compiles a unit, without input and output, with this machine's folders.
        link: the command that makes the library, up to its inputs and output.
        libraries: the end of that command, the libraries to link.
        links: names of symbolic links that the build folder needs, and their targets.
        architectures: architectures of GPUs, to be shown.
    """

    sources: KernelSources
    flags: tuple[str, ...]
    tools: tuple[str, ...]
    compile: tuple[str, ...]
    link: tuple[str, ...]
    libraries: tuple[str, ...]
    links: Mapping[str, Path] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The name of the finished folder: sha256 in 64 hexadecimal digits."""
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in self.sources.files.items()}
        system = [platform.machine(), os.confstr("CS_GNU_LIBC_VERSION")]
        parts = [FORMAT, system, self.sources.device, self.flags, self.tools, digests]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def tool(self) -> str:
        """Name and version of the compiler, to be shown."""
        return self.tools[-1]


def plan_build(
    sources: KernelSources, *, architectures: tuple[str, ...] | None = None, portable: bool = False
) -> BuildPlan:
    """Find the tools for a device's library and compose their commands.

    FBN_CXXFLAGS adds flags to the compilation and the linking of the CPU library: sanitizers, debug information.

    Args:
        sources: sources of one device.
        architectures: architectures of GPUs, such as `9.0+PTX`; None is `choose_architectures`.
        portable: compile for the GPUs of other machines too, not only of this machine.

    Raises:
        KernelError: a tool is missing or of the wrong version.
        UsageError: TORCH_CUDA_ARCH_LIST cannot be read.
    """
    if sys.platform != "linux":
        raise KernelError(f"kernels are built on Linux only, this is {sys.platform}", "the reference runs instead")
    return _plan_cpu(sources) if sources.device == "cpu" else _plan_cuda(sources, architectures, portable)


def _plan_cpu(sources: KernelSources) -> BuildPlan:
    compiler = find_compiler()
    extra = tuple(shlex.split(os.environ.get("FBN_CXXFLAGS", "")))
    flags = (*CPU_FLAGS, STABLE_ABI, *extra)
    return BuildPlan(
        sources=sources,
        flags=(*compiler.command[1:], *flags, *CPU_LINK_FLAGS, *CPU_LIBRARIES),
        tools=(compiler.version,),
        compile=(*compiler.command, *flags, "-I.", *_headers()),
        link=(*compiler.command, *CPU_LINK_FLAGS, *extra),
        libraries=(_torch_folder(), *CPU_LIBRARIES),
    )


def _plan_cuda(sources: KernelSources, architectures: tuple[str, ...] | None, portable: bool) -> BuildPlan:
    if torch.version.cuda is None:
        raise KernelError("this PyTorch is built without CUDA", "install one that is: https://pytorch.org/get-started")
    compiler = find_compiler()
    toolkit = find_cuda_toolkit(torch.version.cuda)
    available = _list_architectures(toolkit)
    chosen = choose_architectures(available, portable=portable) if architectures is None else architectures
    flags = (*CUDA_FLAGS, STABLE_ABI, *code_flags(chosen, available))
    nvcc = (str(toolkit.nvcc), "-ccbin", compiler.program)
    folders = [part for folder in toolkit.includes for part in ("-isystem", str(folder))]
    return BuildPlan(
        sources=sources,
        flags=(*flags, *CUDA_LINK_FLAGS, *CUDA_LIBRARIES),
        tools=(compiler.version, f"nvcc {toolkit.version}"),
        compile=(*nvcc, *flags, "-I.", *_headers(), *folders),
        link=(*nvcc, *CUDA_LINK_FLAGS),
        libraries=("-Llib", _torch_folder(), *CUDA_LIBRARIES),
        links={"lib/libcudart.so": toolkit.runtime} if toolkit.runtime else {},
        architectures=chosen,
    )


def _headers() -> tuple[str, str]:
    # As system headers they give no warnings of their own.
    return "-isystem", str(Path(torch.__file__).parent / "include")


def _torch_folder() -> str:
    return f"-L{Path(torch.__file__).parent / 'lib'}"


def _list_architectures(toolkit: CudaToolkit) -> frozenset[str]:
    try:
        done = subprocess.run([toolkit.nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelError(f"{toolkit.nvcc} --list-gpu-arch fails: {error}", "name another one in CUDA_HOME") from error
    return frozenset(done.stdout.split())
