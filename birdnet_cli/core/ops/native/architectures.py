"""The GPU architectures that a library is compiled for, and nvcc's flags for them."""

import os
import re
from collections.abc import Iterable

import torch

from birdnet_cli.core.errors import KernelError, UsageError

__all__ = ["MINIMUM", "choose_architectures", "code_flags", "old_devices", "parse_architectures"]

# The kernels use bfloat16 tensor cores and asynchronous copies, which begin with Ampere.
MINIMUM = (8, 0)
# The architectures of a prebuilt library; newer GPUs run the PTX of the last.
WHEEL = ("8.0", "8.6", "8.9", "9.0", "10.0+PTX")

NAMES = {"ampere": "8.0;8.6", "ada": "8.9", "hopper": "9.0", "blackwell": "10.0;12.0"}


def choose_architectures(available: frozenset[str], *, portable: bool) -> tuple[str, ...]:
    """Return those in TORCH_CUDA_ARCH_LIST, else of this machine's GPUs, else those of `WHEEL` that are available.

    Args:
        available: the names that `nvcc --list-gpu-arch` prints, such as `compute_90`.
        portable: ignore this machine's GPUs.

    Raises:
        UsageError: TORCH_CUDA_ARCH_LIST is not a list of architectures.
        KernelError: TORCH_CUDA_ARCH_LIST has no architecture from 8.0 on.
    """
    wanted = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    if wanted.strip():
        # The variable is shared with other packages, which may support older GPUs too.
        chosen = tuple(name for name in parse_architectures(wanted) if _capability(name) >= MINIMUM)
        if not chosen:
            raise KernelError(f"TORCH_CUDA_ARCH_LIST={wanted} has no architecture from 8.0 on", "add one, or unset it")
        return chosen
    if not portable and torch.cuda.is_available():
        present = {torch.cuda.get_device_capability(index) for index in _indices()}
        return tuple(f"{major}.{minor}" for major, minor in sorted(present))
    known = [name for name in WHEEL if f"compute_{_number(name)}" in available]
    return (*known[:-1], known[-1].removesuffix("+PTX") + "+PTX") if known else WHEEL


def parse_architectures(text: str) -> tuple[str, ...]:
    """Read a list such as `8.0;9.0a+PTX`, `sm_80,sm_90` or `Ampere Hopper`; duplicates are dropped.

    Raises:
        UsageError: an element is none of these.
    """
    chosen: dict[str, None] = {}
    for word in re.split(r"[;,\s]+", text.strip(";, \n")):
        name, plus, _ = word.partition("+")
        for architecture in NAMES.get(name.lower(), name).split(";"):
            match = re.fullmatch(r"(?:sm_|compute_)?(\d+)\.?(\d)([af]?)", architecture)
            if match is None or word[len(name) :] not in ("", "+PTX"):
                raise UsageError(f"GPU architecture '{word}': expected such as 8.0, 9.0a, 10.0+PTX or sm_80")
            major, minor, variant = match.groups()
            chosen[f"{major}.{minor}{variant}{'+PTX' if plus else ''}"] = None
    return tuple(chosen)


def code_flags(architectures: Iterable[str], available: frozenset[str]) -> tuple[str, ...]:
    """Return nvcc's `-gencode` flags.

    Raises:
        KernelError: this nvcc does not know one of the architectures, or it is older than 8.0.
    """
    flags = []
    for architecture in architectures:
        number = _number(architecture)
        if f"compute_{number.rstrip('af')}" not in available or _capability(architecture) < MINIMUM:
            known = ", ".join(sorted(name.removeprefix("compute_") for name in available))
            raise KernelError(
                f"GPU architecture {architecture}: expected one from 8.0 on that this nvcc knows ({known})",
                "choose others with TORCH_CUDA_ARCH_LIST, or install a newer nvcc",
            )
        kinds = ("sm", "compute") if architecture.endswith("+PTX") else ("sm",)
        flags += [f"-gencode=arch=compute_{number},code={kind}_{number}" for kind in kinds]
    return tuple(flags)


def old_devices() -> list[str]:
    """Return name and capability of every visible GPU that is older than `MINIMUM`."""
    found = [(torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index)) for index in _indices()]
    return [f"{name} (sm_{major}{minor})" for name, (major, minor) in found if (major, minor) < MINIMUM]


def _indices() -> range:
    return range(torch.cuda.device_count())


def _number(architecture: str) -> str:
    return architecture.removesuffix("+PTX").replace(".", "")


def _capability(architecture: str) -> tuple[int, int]:
    digits = _number(architecture).rstrip("af")
    return int(digits[:-1]), int(digits[-1])
