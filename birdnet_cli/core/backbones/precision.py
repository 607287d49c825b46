"""Choose a backbone's precision on a device: float32, or bfloat16 where the hardware multiplies it natively.

On a CPU with AVX-512 BF16, VGG16 under autocast takes about half the time of float32 (both in channels_last). A module
converted to bfloat16 gives the same values and is no faster, but its preprocessing and BatchNorm statistics would be
rounded, too; so autocast is used.
"""

from pathlib import Path

import torch

from birdnet_cli.core.errors import UnknownNameError

__all__ = ["autocast_for", "resolve_precision"]

PRECISIONS = ("auto", "float32", "bfloat16")
CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")


def resolve_precision(name: str, device: torch.device | str) -> torch.dtype:
    """Return the type in which the backbone computes.

    Args:
        name: `float32`; `bfloat16`, allowed anywhere; or `auto`: bfloat16 on a CPU with AVX-512 BF16 or AMX and on a
            CUDA device of compute capability 8.0 or above, else float32.
        device: where the backbone runs.

    Raises:
        UnknownNameError: another name.
    """
    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, PRECISIONS)
    device = torch.device(device)
    if name == "auto":
        native = (device.type == "cpu" and _cpu_multiplies_bfloat16()) or (
            device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        )
        name = "bfloat16" if native else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def autocast_for(device: torch.device | str, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which a backbone on `device` computes in `dtype`; parameters stay float32.

    For float32 the context switches an outer autocast off.
    """
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def _cpu_multiplies_bfloat16() -> bool:
    # Recent versions of torch report the flags on any system; for older versions Linux does.
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        known = capabilities()
        return any(known.get(flag, False) for flag in BFLOAT16_FLAGS)
    if not CPU_INFO.is_file():
        return False
    words = CPU_INFO.read_text(encoding="utf-8", errors="replace").split()
    return any(flag in words for flag in BFLOAT16_FLAGS)
