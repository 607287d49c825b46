"""Which implementation of each op runs on which device, and why."""

from dataclasses import asdict, dataclass
from typing import Literal

import torch

from birdnet_cli.core.ops.library import LIBRARY, has_kernel
from birdnet_cli.core.ops.native import DEVICES, PACKAGE, KernelState, inspect_kernels

__all__ = ["Implementation", "describe_ops"]


@dataclass(frozen=True, slots=True)
class Implementation:
    """What runs an op on a device.

    Attributes:
        op: its name, without `fbn::`.
        device: `cpu` or `cuda`.
        runs: `compiled`; `reference`; `compiled on first use`; or `nothing`, where there is no such device.
        why: where its library comes from, or the reason that there is none.
        remedy: the command that makes it compiled, where something went wrong; else empty.
    """

    op: str
    device: str
    runs: Literal["compiled", "reference", "compiled on first use", "nothing"]
    why: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the fields as a JSON object."""
        return asdict(self)


def describe_ops() -> list[Implementation]:
    """Return an entry for each op, backward ops included, and device; nothing is built.

    Raises:
        UnknownNameError: FBN_OPS has a value that means nothing.
    """
    states = [inspect_kernels(device) for device in DEVICES]
    return [_describe(name, state) for name in sorted(_op_names()) for state in states]


def _op_names() -> set[str]:
    prefix = f"{LIBRARY.ns}::"
    schemas = torch._C._jit_get_all_schemas()
    return {schema.name.removeprefix(prefix) for schema in schemas if schema.name.startswith(prefix)}


def _describe(name: str, state: KernelState) -> Implementation:
    device, library = state.device, state.library
    if device == "cuda" and not torch.cuda.is_available():
        return Implementation(name, device, "nothing", "no usable GPU")
    if has_kernel(name, device):
        return Implementation(name, device, "compiled", _origin(state))
    if state.plan is not None and name in state.plan.sources.ops:
        return Implementation(name, device, "compiled on first use", state.reason, "fbn kernels build")
    if library is not None or state.plan is not None:
        return Implementation(name, device, "reference", f"it has no {device} kernel")
    return Implementation(name, device, "reference", state.reason, state.error.remedy if state.error else "")


def _origin(state: KernelState) -> str:
    library = state.library
    if library is None:
        return "registered by other code"
    return f"{'prebuilt' if library.path.parent == PACKAGE else 'built here'} by {library.tool}"
