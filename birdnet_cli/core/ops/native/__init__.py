"""Compiled kernels: found beside the package or built on first use, loaded once, and reported."""

from birdnet_cli.core.ops.native.architectures import parse_architectures
from birdnet_cli.core.ops.native.compile import obtain_library
from birdnet_cli.core.ops.native.cuda_toolkit import find_cuda_toolkit
from birdnet_cli.core.ops.native.folders import clean_store
from birdnet_cli.core.ops.native.load import KernelState, inspect_kernels, load_kernels, read_mode
from birdnet_cli.core.ops.native.plan import plan_build
from birdnet_cli.core.ops.native.sources import DEVICES, PACKAGE, KernelSources, find_source_folder, read_sources
from birdnet_cli.core.ops.native.store import BuiltLibrary, store_folder
from birdnet_cli.core.ops.native.toolchain import find_compiler, find_ninja
from birdnet_cli.core.ops.native.wheel import find_wheel, put_into_wheel, read_wheel_sources

__all__ = [
    "DEVICES",
    "PACKAGE",
    "BuiltLibrary",
    "KernelSources",
    "KernelState",
    "clean_store",
    "find_compiler",
    "find_cuda_toolkit",
    "find_ninja",
    "find_source_folder",
    "find_wheel",
    "inspect_kernels",
    "load_kernels",
    "obtain_library",
    "parse_architectures",
    "plan_build",
    "put_into_wheel",
    "read_mode",
    "read_sources",
    "read_wheel_sources",
    "store_folder",
]
