"""Load each device's kernels at most once per process: prebuilt, else built before, else built now.

FBN_OPS chooses: with `auto` the reference runs where no kernels can be loaded, after a warning; with `native` that is
an error; with `reference` kernels are neither looked for nor built.
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
    """The state of a device's kernels in this process.

    Attributes:
        device: `cpu` or `cuda`.
        library: the loaded library, or None.
        plan: the build that the first use of an op will start, if it was neither built nor tried yet.
        reason: why no library is loaded.
        error: the error that is this reason, or None for another reason.
    """

    device: str
    library: BuiltLibrary | None = None
    plan: BuildPlan | None = None
    reason: str = ""
    error: KernelError | None = None


def load_kernels(device: str) -> KernelState:
    """Load a device's kernels if this process has not tried yet, building them where need be.

    Args:
        device: a device type, also one for which there are no kernels.

    Raises:
        KernelError: FBN_OPS=native, and no kernels can be loaded.
        UsageError: FBN_OPS, FBN_CPU_CAPABILITY, MAX_JOBS or TORCH_CUDA_ARCH_LIST has an invalid value.
    """
    if device not in DEVICES:
        return KernelState(device, reason="there are kernels for cpu and cuda only")
    mode = read_mode()
    _check_capability()
    # A lock for each process: a forked child would wait forever for a lock that a thread of its parent held.
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
    """Return the state of this process, or the state that the first use of an op would lead to; nothing is built.

    Libraries that are built already are loaded, so that the dispatcher knows their ops.
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
    # The kernels check it too; checked here, a wrong value is reported without a traceback.
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
    # The reason why kernels could not run here even if they were compiled.
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
    # At level warning so that it is shown by default: a silent wait of seconds would look like a hang.
    return KernelState(device, library=open_library(obtain_library(plan, logger.warning)))
