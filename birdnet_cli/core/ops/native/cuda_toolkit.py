"""nvcc, the headers beside it and the CUDA runtime to link: from CUDA_HOME, PATH, pip's packages or /usr/local/cuda."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native.toolchain import ask_version

__all__ = ["CudaToolkit", "find_cuda_toolkit"]

DEFAULT = Path("/usr/local/cuda/bin/nvcc")
VARIABLES = ("CUDA_HOME", "CUDA_PATH")
# The packages that PyTorch does not depend on; cuda_fp16.h includes a header of CCCL's.
PACKAGES = ("nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm", "nvidia-cuda-cccl")
HEADERS = ("include", "include/cccl")


@dataclass(frozen=True, slots=True)
class CudaToolkit:
    """An nvcc of the CUDA major version that PyTorch was built with.

    Attributes:
        nvcc: the program.
        version: such as `13.0.88`.
        origin: how it was found: `CUDA_HOME`, `PATH`, `pip` or the default folder.
        includes: folders of headers that nvcc does not search by default.
        runtime: the libcudart of pip's packages, which PyTorch loads, or None to leave it to nvcc.
    """

    nvcc: Path
    version: str
    origin: str
    includes: tuple[Path, ...]
    runtime: Path | None


def find_cuda_toolkit(cuda: str) -> CudaToolkit:
    """Return the first toolkit whose major version is PyTorch's.

    A toolkit that CUDA_HOME names is the only candidate: if it is unusable, no other toolkit is tried.

    Args:
        cuda: the CUDA version of PyTorch, such as `13.0`.

    Raises:
        KernelError: there is none; the message names those that were refused.
    """
    major = cuda.partition(".")[0]
    refused = []
    for origin, nvcc in _candidates(major):
        version = _read_version(nvcc)
        if version.partition(".")[0] == major:
            pip_folders = _pip_folders(major)
            includes = [folder / name for folder in pip_folders for name in HEADERS] if origin == "pip" else []
            return CudaToolkit(nvcc, version, origin, tuple(includes), _find_runtime(pip_folders, major))
        refused.append(f"{nvcc} (from {origin}) is {version}")
    came = f"refused: {', '.join(refused)}" if refused else "found none in CUDA_HOME, on PATH or among pip's packages"
    raise KernelError(f"no nvcc of CUDA {major}, with which this PyTorch was built: {came}", _remedy(cuda))


def _candidates(major: str) -> Iterator[tuple[str, Path]]:
    for variable in VARIABLES:
        home = os.environ.get(variable)
        if home:
            nvcc = Path(home, "bin", "nvcc")
            if not nvcc.is_file():
                raise KernelError(f"no nvcc: {variable} is {home}, which has no bin/nvcc", f"unset or mend {variable}")
            yield variable, nvcc
            return
    on_path = shutil.which("nvcc")
    if on_path:
        yield "PATH", Path(on_path)
    for folder in _pip_folders(major):
        if (folder / "bin" / "nvcc").is_file():
            yield "pip", folder / "bin" / "nvcc"
    if DEFAULT.is_file():
        yield "its default folder", DEFAULT


def _pip_folders(major: str) -> list[Path]:
    # pip's CUDA packages share one folder, but those of a --system-site-packages environment may lie in two.
    spec = importlib.util.find_spec("nvidia")
    parents = (spec.submodule_search_locations or []) if spec else []
    folders = [Path(parent, f"cu{major}") for parent in parents]
    return [folder for folder in folders if folder.is_dir()]


def _find_runtime(folders: list[Path], major: str) -> Path | None:
    # pip ships it without the `libcudart.so` that a linker looks for.
    files = [folder / "lib" / f"libcudart.so.{major}" for folder in folders]
    return next((file for file in files if file.exists()), None)


def _read_version(nvcc: Path) -> str:
    text = ask_version(nvcc, remedy="mend or remove it, or name another toolkit in CUDA_HOME")
    match = re.search(r"\bV(\d+\.\d+(?:\.\d+)?)\b", text)
    if match is None:
        raise KernelError(f"{nvcc} --version tells no version: {text.strip()[:80]!r}", "name another one in CUDA_HOME")
    return match[1]


def _remedy(cuda: str) -> str:
    return "python -m pip install " + " ".join(f"'{name}=={cuda}.*'" for name in PACKAGES)
