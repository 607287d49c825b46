"""Which implementation of each op the dispatcher would run on which device."""

import torch

from birdnet_cli.core.ops.library import LIBRARY

__all__ = ["describe_ops"]


def describe_ops() -> dict[str, dict[str, str]]:
    """Return op name -> device -> `compiled` or `reference`, as the dispatcher has it at this moment."""
    names = sorted(name for name in _op_names() if not name.endswith("_backward"))
    return {name: {device: _implementation(name, device) for device in ("cpu", "cuda")} for name in names}


def _op_names() -> set[str]:
    prefix = f"{LIBRARY.ns}::"
    schemas = torch._C._jit_get_all_schemas()
    return {schema.name.removeprefix(prefix) for schema in schemas if schema.name.startswith(prefix)}


def _implementation(name: str, device: str) -> str:
    # A kernel of the device itself wins over the reference, which is registered for every device.
    compiled = torch._C._dispatch_has_kernel_for_dispatch_key(f"{LIBRARY.ns}::{name}", device.upper())
    return "compiled" if compiled else "reference"
