"""The CUDA kernels to test: on a GPU as users get them, and the same sources emulated on the CPU."""

import ctypes
import os
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import birdnet_cli.core.ops  # noqa: F401  (defines the schemas)

SOURCES = Path(__file__).resolve().parents[4] / "csrc"
EMULATION = Path(__file__).parent / "emulation"
NAMESPACE = "fbn_emulated"

# What an emulated device has unless a test changes it: an H100's.
L2_BYTES, MULTIPROCESSORS = 50 * 2**20, 132


@dataclass(frozen=True)
class Kernels:
    """Raw operators, without autograd.

    Attributes:
        ops: the namespace that holds them.
        device: where their tensors live.
        emulation: the library that emulates them, None on a GPU.
    """

    ops: Any
    device: torch.device
    emulation: Path | None = None

    @contextmanager
    def device_with(
        self, *, l2_bytes: int = L2_BYTES, multiprocessors: int = MULTIPROCESSORS, descending: bool = False
    ) -> Iterator[None]:
        """Change the emulated device; `descending` runs the threads of each block in the opposite order."""
        emulate = ctypes.CDLL(str(self.emulation)).emulate_device
        emulate(l2_bytes, multiprocessors, descending)
        yield
        emulate(L2_BYTES, MULTIPROCESSORS, False)


def build_emulation(folder: Path) -> Path:
    """Compile every kernel of csrc/cuda for the CPU, with FBN_CXXFLAGS added, and return the library."""
    headers = Path(torch.__file__).parent / "include"
    flags = [
        "-std=c++20", "-O1", "-g1", "-fPIC", "-DUSE_CUDA",
        "-DTORCH_TARGET_VERSION=0x020b000000000000", f"-I{EMULATION}", f"-I{SOURCES}", f"-isystem{headers}",
        *shlex.split(os.environ.get("FBN_CXXFLAGS", "")),
    ]  # fmt: skip

    def compile_one(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        run(["g++", *flags, "-x", "c++", "-c", str(source), "-o", str(target)])
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, [*sorted(SOURCES.rglob("*.cu")), EMULATION / "runtime.cpp"]))
    library = folder / "emulated.so"
    # -Bsymbolic: the library's own calls go to runtime.cpp rather than to the functions of the same name in torch.
    link = ["g++", "-shared", "-Wl,-Bsymbolic", *flags, *map(str, objects), "-o", str(library)]
    run([*link, f"-L{headers.parent / 'lib'}", "-ltorch_cpu", "-ltorch"])
    return library


def load_emulation(library: Path) -> Iterator[Kernels]:
    """Define the operators of `fbn` again in a namespace of their own, on the CPU, as long as the iterator lives."""
    schemas = [schema for schema in torch._C._jit_get_all_schemas() if schema.name.startswith("fbn::")]
    definitions = torch.library.Library(NAMESPACE, "DEF")
    for schema in schemas:
        definitions.define(str(schema).removeprefix("fbn::"))
    products = torch.library.Library("aten", "IMPL", "CPU")
    products.impl("bmm.dtype_out", multiply_into_float32)
    torch.ops.load_library(library)
    yield Kernels(getattr(torch.ops, NAMESPACE), torch.device("cpu"), library)
    products._destroy()
    definitions._destroy()


def multiply_into_float32(a: Tensor, b: Tensor, out_dtype: torch.dtype, *, out: Tensor) -> Tensor:
    """What CUDA's bmm does for half precision factors and a float32 result, and what it refuses."""
    assert a.dtype == b.dtype
    assert a.dtype in (torch.float16, torch.bfloat16)
    assert out_dtype == out.dtype == torch.float32
    assert out.shape == (a.shape[0], a.shape[1], b.shape[2])
    return out.copy_(torch.bmm(a.float(), b.float()))


def run(command: list[str]) -> None:
    """Run a compiler; what it says on failure is the test's failure."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
