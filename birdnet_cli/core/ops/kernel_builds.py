"""Compiled kernels on purpose: what runs where, building ahead of the first use or into a wheel, and cleaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops import Implementation, describe_ops, native
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["KernelReport", "build_kernels", "build_wheel", "report_kernels"]


@dataclass(frozen=True, slots=True)
class KernelReport:
    """What `fbn kernels status` shows.

    Attributes:
        mode: FBN_OPS.
        store: the folder of built libraries.
        tools: tool -> what was found, or what is missing.
        libraries: device -> the loaded library, if any.
        ops: an entry for each op and device.
    """

    mode: str
    store: Path
    tools: dict[str, str]
    libraries: dict[str, str]
    ops: tuple[Implementation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "mode": self.mode,
            "store": str(self.store),
            "tools": self.tools,
            "libraries": self.libraries,
            "ops": [status.to_json() for status in self.ops],
        }


def report_kernels() -> KernelReport:
    """Look at tools and libraries, without building anything.

    Raises:
        UnknownNameError: FBN_OPS has a value that means nothing.
    """
    tools = {"C++ compiler": _describe_compiler, "nvcc": _describe_nvcc, "ninja": native.find_ninja}
    found = {name: _found(describe) for name, describe in tools.items()}
    ops = tuple(describe_ops())
    states = {device: native.inspect_kernels(device) for device in native.DEVICES}
    libraries = {device: str(state.library.path) for device, state in states.items() if state.library is not None}
    return KernelReport(native.read_mode(), native.store_folder(), found, libraries, ops)


def build_kernels(
    devices: Sequence[str] = (), *, architectures: str | None = None, progress: Progress | None = None
) -> list[native.BuiltLibrary]:
    """Build the libraries of this installation's sources, unless they are built already.

    Args:
        devices: `cpu`, `cuda`; empty is what this machine has.
        architectures: GPU architectures, as TORCH_CUDA_ARCH_LIST lists them; None is that variable, else this machine's
            GPUs, else those of a wheel.
        progress: gets a note before each compilation.

    Raises:
        KernelError: there are no sources, a tool is missing, or the compiler fails.
        UsageError: `architectures` or an environment variable cannot be read.
    """
    folder = native.find_source_folder()
    sources = [_require(native.read_sources(device, folder), device, folder) for device in devices or _own_devices()]
    return [_build(source, architectures, progress) for source in sources]


def build_wheel(
    wheel: Path, devices: Sequence[str] = (), *, architectures: str | None = None, progress: Progress | None = None
) -> Path:
    """Build the libraries of a wheel's own sources and write a wheel that carries them, beside it.

    Args:
        wheel: a wheel of fbn, or the folder that it lies in.
        devices: as for `build_kernels`.
        architectures: as for `build_kernels`, save that this machine's GPUs do not count.
        progress: gets a note before each compilation.

    Returns:
        The path of the new wheel.

    Raises:
        KernelError: no sources in the wheel, a tool is missing, or the compiler fails.
        UsageError: no wheel there; `architectures` or an environment variable cannot be read.
    """
    wheel = native.find_wheel(wheel)
    sources = [
        _require(native.read_wheel_sources(wheel, device), device, wheel) for device in devices or _own_devices()
    ]
    return native.put_into_wheel(wheel, [_build(source, architectures, progress, portable=True) for source in sources])


def _build(
    sources: native.KernelSources, architectures: str | None, progress: Progress | None, *, portable: bool = False
) -> native.BuiltLibrary:
    chosen = None if architectures is None else native.parse_architectures(architectures)
    plan = native.plan_build(sources, architectures=chosen, portable=portable)
    note = (progress or SilentProgress()).note
    try:
        return native.obtain_library(plan, note)
    except KernelError as error:
        if not error.log:
            raise
        note(error.log)
        raise KernelError(error.reason, "its output is above") from error


def _require(sources: native.KernelSources | None, device: str, place: Path) -> native.KernelSources:
    if sources is None:
        raise KernelError(
            f"{place}: no sources of {device} kernels", "the reference runs there; choose another --device"
        )
    return sources


def _own_devices() -> tuple[str, ...]:
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def _found(describe: Callable[[], str]) -> str:
    try:
        return describe()
    except KernelError as error:
        return str(error)


def _describe_compiler() -> str:
    compiler = native.find_compiler()
    return f"{' '.join(compiler.command)}, {compiler.version}"


def _describe_nvcc() -> str:
    if torch.version.cuda is None:
        return "not needed: this PyTorch is built without CUDA"
    toolkit = native.find_cuda_toolkit(torch.version.cuda)
    return f"{toolkit.nvcc}, {toolkit.version}, from {toolkit.origin}"
