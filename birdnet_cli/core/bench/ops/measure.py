"""Time and memory of one call."""

import ctypes
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["calls_per_sample", "copy_bytes_per_second", "gemm_flops_per_second", "peak_extra_bytes", "time_calls"]

# A sample lasts at least this long, so that neither the clock nor a launch counts.
SAMPLE_SECONDS = 5e-3

GEMM_SIZE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}


def calls_per_sample(call: Callable[[], object], device: torch.device) -> int:
    """Call once to warm up, once to measure, and return how often to call for one sample."""
    time_calls(call, device, calls=1)
    return max(1, math.ceil(SAMPLE_SECONDS / time_calls(call, device, calls=1)))


def time_calls(call: Callable[[], object], device: torch.device, *, calls: int) -> float:
    """Return the seconds per call, until the device has finished."""
    _synchronize(device)
    started = time.perf_counter()
    for _ in range(calls):
        call()
    _synchronize(device)
    return (time.perf_counter() - started) / calls


def peak_extra_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Return the most memory that one call has in use beyond what there was before, its result included.

    On a GPU it is what PyTorch's allocator has handed out; on the CPU the process's resident memory, which covers what
    kernels take by themselves. None where the system does not tell (outside Linux).
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        # What was freed goes back to the system: pages that are resident already would not be counted.
        ctypes.CDLL(None).malloc_trim(0)
        before = _resident_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        call()
        return max(0, _resident_bytes("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def gemm_flops_per_second(dtype: torch.dtype, device: torch.device) -> Callable[[], float]:
    """Return a function that measures the rate of a large square matrix product."""
    n = GEMM_SIZE[device.type]
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    return lambda: 2 * n**3 / time_calls(lambda: torch.mm(a, b, out=out), device, calls=1)


def copy_bytes_per_second(device: torch.device) -> Callable[[], float]:
    """Return a function that measures the rate at which a large block is read and written."""
    source = torch.zeros(COPY_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return lambda: 2 * source.nbytes / time_calls(lambda: target.copy_(source), device, calls=1)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _resident_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
