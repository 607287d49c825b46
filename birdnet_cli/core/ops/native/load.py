"""Load each device's kernels at most once per process: prebuilt, else built before, else built now, else not at all.

FBN_OPS decides: `auto` runs the reference where no kernels can be had, and says so once; `native` makes that an error;
`reference` neither looks for kernels nor builds any.
"""

import logging
import os
import sys
import threading
import warnings
from dataclasses import dataclass

import torch

from birdnet_cli.core.errors import KernelError, UnknownNameError
from birdnet_cli.core.ops.native.architectures import old_devices
from birdnet_cli.core.ops.native.compile import obtain_library
from birdnet_cli.core.ops.native.plan import BuildPlan, plan_build
from birdnet_cli.core.ops.native.sources import DEVICES, PACKAGE, find_source_folder, read_sources
from birdnet_cli.core.ops.native.store import BuiltLibrary, find_built, find_prebuilt

__all__ = ["KernelState", "inspect_kernels", "load_kernels", "open_library", "read_mode"]

MODES = ("auto", "native", "reference")
CAPABILITIES = ("default", "avx2", "avx512", "avx512_bf16")

logger = logging.getLogger(__name__)

_states: dict[str, "KernelState"] = {}
_locks: dict[int, threading.RLock] = {}


@dataclass(frozen=True, slots=True)
class KernelState:
    """What came of one device's kernels in this process.

    Attributes:
        device: `cpu` or `cuda`.
        library: what is loaded, or None.
        plan: what the first use of an op will build, where it is neither built nor tried yet.
        reason: why nothing is loaded.
        error: what went wrong, if it is that.
    """

    device: str
    library: BuiltLibrary | None = None
    plan: BuildPlan | None = None
    reason: str = ""
    error: KernelError | None = None


def load_kernels(device: str) -> KernelState:
    """Load a device's kernels if this process has not tried yet, building them where need be.

    Args:
        device: a device type; those without kernels are answered at once.

    Raises:
        KernelError: FBN_OPS=native, and there are none to be had.
        UsageError: FBN_OPS, FBN_CPU_CAPABILITY, MAX_JOBS or TORCH_CUDA_ARCH_LIST has a value that means nothing.
    """
    if device not in DEVICES:
        return KernelState(device, reason="there are kernels for cpu and cuda only")
    mode = read_mode()
    _check_capability()
    # A forked child must not wait for a thread that exists in its parent only: it has a lock of its own.
    with _locks.setdefault(os.getpid(), threading.RLock()):
        state = _states.get(device)
        is_new = state is None
        if state is None:
            state = _states[device] = _settle(device, mode, build=True)
    if state.library is None and mode == "native":
        error = state.error or KernelError(state.reason, "FBN_OPS=auto runs the reference instead")
        raise KernelError(f"FBN_OPS=native, but no {device} kernels: {error.reason}", error.remedy, log=error.log)
    if is_new and state.error is not None:
        warnings.warn(f"no {device} kernels, the slower reference runs instead: {state.error}", stacklevel=2)
    return state


def inspect_kernels(device: str) -> KernelState:
    """Return what this process has loaded, or what the first use of an op would come to; nothing is built.

    Libraries that are there already are loaded, so that the dispatcher can be asked what they hold.
    """
    with _locks.setdefault(os.getpid(), threading.RLock()):
        state = _states.get(device) or _settle(device, read_mode(), build=False)
        if state.library is not None:
            _states[device] = state
    return state


def open_library(library: BuiltLibrary) -> BuiltLibrary:
    """Load a library into this process, where its kernels register themselves.

    Raises:
        KernelError: it is for another CUDA version, or the system's loader refuses it.
    """
    cuda = torch.version.cuda
    if library.cuda is not None and (cuda or "").partition(".")[0] != library.cuda.partition(".")[0]:
        raise KernelError(f"{library.path} is for CUDA {library.cuda}, this PyTorch for {cuda}", "fbn kernels clean")
    try:
        torch.ops.load_library(library.path)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise KernelError(f"{library.path} cannot be loaded: {error}", "fbn kernels clean") from error
    return library


def read_mode() -> str:
    """Return FBN_OPS: `auto`, `native` or `reference`.

    Raises:
        UnknownNameError: it has another value.
    """
    mode = os.environ.get("FBN_OPS") or "auto"
    if mode not in MODES:
        raise UnknownNameError("FBN_OPS", mode, MODES)
    return mode


def _check_capability() -> None:
    # The kernels read it themselves; said here, a slip is one line.
    wanted = os.environ.get("FBN_CPU_CAPABILITY")
    if wanted and wanted not in CAPABILITIES:
        raise UnknownNameError("FBN_CPU_CAPABILITY", wanted, CAPABILITIES)


def _settle(device: str, mode: str, *, build: bool) -> KernelState:
    if mode == "reference":
        return KernelState(device, reason="FBN_OPS=reference")
    try:
        reason = _find_obstacle(device)
        return KernelState(device, reason=reason) if reason else _find(device, build=build)
    except KernelError as error:
        return KernelState(device, reason=error.reason, error=error)


def _find_obstacle(device: str) -> str:
    # What no compiler can mend.
    if sys.platform != "linux":
        return f"kernels are built on Linux only, this is {sys.platform}"
    if device == "cpu":
        return ""
    if torch.version.hip is not None:
        return "kernels are built for NVIDIA GPUs only, this PyTorch is for AMD's"
    if not torch.cuda.is_available():
        return "no usable GPU"
    if old := old_devices():
        raise KernelError(
            f"they need sm_80 or newer on every visible GPU, but there is {', '.join(old)}",
            "hide it with CUDA_VISIBLE_DEVICES if there is a newer one",
        )
    return ""


def _find(device: str, *, build: bool) -> KernelState:
    prebuilt = find_prebuilt(PACKAGE, device)
    if prebuilt is None:
        return _find_built(device, build=build)
    try:
        return KernelState(device, library=open_library(prebuilt))
    except KernelError as refusal:
        try:
            return _find_built(device, build=build)
        except KernelError as error:
            raise KernelError(f"{refusal.reason}; {error.reason}", error.remedy, log=error.log) from refusal


def _find_built(device: str, *, build: bool) -> KernelState:
    sources = read_sources(device, find_source_folder())
    if sources is None:
        return KernelState(device, reason=f"there are no sources of {device} kernels")
    plan = plan_build(sources)
    if not build and find_built(plan.address, device) is None:
        return KernelState(device, plan=plan, reason=f"by {plan.tool}")
    # A warning only so that it is seen: an unannounced wait of seconds would look like a hang.
    return KernelState(device, library=open_library(obtain_library(plan, logger.warning)))
