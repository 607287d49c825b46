"""The `fbn` operator library: each op's schema, reference, shape function and autograd, registered once at import.

An op exists in Python alone. A compiled implementation adds itself to the same name for one device and then wins over
the reference, which is registered for every device; callers never ask which of them runs. Kernels are loaded by the
first op that meets a tensor on their device: nothing is compiled, or looked for, at import.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import torch

from birdnet_cli.core.ops.native import DEVICES, load_kernels

__all__ = ["LIBRARY", "define_op", "forbid_double_backward", "has_kernel", "use_references"]

# An op lives as long as the object that defined it.
LIBRARY = torch.library.Library("fbn", "DEF")  # type: ignore[no-untyped-call]

# Device types whose kernels no op has asked for yet.
_untried = set(DEVICES)

_references: dict[str, Callable[..., Any]] = {}


def define_op(schema: str, *, reference: Callable[..., Any], fake: Callable[..., Any]) -> None:
    """Define `fbn::<name>` with the reference that computes it and the shape function that only allocates.

    Autocast does not cast for an fbn op: it takes the dtypes that arrive and accumulates in float32 or wider. The
    reference therefore runs with autocast off, or its own products would be cast to half precision.

    Args:
        schema: name, arguments and returns in PyTorch's schema language; the first argument is a tensor.
        reference: plain PyTorch, on any device.
        fake: the same signature; returns empty tensors of the right shapes, dtypes and strides.
    """
    name = schema.partition("(")[0]

    @wraps(reference)
    def without_autocast(first: torch.Tensor, *rest: Any) -> Any:
        with torch.autocast(first.device.type, enabled=False):
            return reference(first, *rest)

    @wraps(reference)
    def load_or_refer(first: torch.Tensor, *rest: Any) -> Any:
        device = first.device.type
        if device in _untried:
            load_kernels(device)
            _untried.discard(device)
        if has_kernel(name, device) and _is_dense(first):
            # Only a call that was on its way when the kernels were loaded comes here; the dispatcher now prefers them.
            return getattr(torch.ops.fbn, name).default(first, *rest)
        return without_autocast(first, *rest)

    _references[name] = without_autocast
    LIBRARY.define(schema)  # type: ignore[no-untyped-call]
    LIBRARY.impl(name, load_or_refer, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"fbn::{name}", fake, lib=LIBRARY)


def _is_dense(tensor: torch.Tensor) -> bool:
    # Other layouts, such as sparse, have keys of their own, for which there is the reference alone.
    key = getattr(torch._C.DispatchKey, tensor.device.type.upper())
    return torch._C._dispatch_keys(tensor).has(key)


def has_kernel(name: str, device: str) -> bool:
    """Return True if the dispatcher has a kernel of `fbn::<name>` for a device type itself, and so prefers it."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(f"{LIBRARY.ns}::{name}", device.upper())


@contextmanager
def use_references(device: str = "cpu") -> Iterator[None]:
    """Run the references inside the block, in every thread, although kernels are loaded: to compare the two.

    Args:
        device: the device type for which they take over.
    """
    override = torch.library.Library("fbn", "IMPL")  # type: ignore[no-untyped-call]
    try:
        for name, reference in _references.items():
            override.impl(name, reference, device.upper(), allow_override=True)  # type: ignore[no-untyped-call]
        yield
    finally:
        override._destroy()  # type: ignore[no-untyped-call]


def forbid_double_backward(name: str) -> None:
    """Make the gradient of `fbn::<name>_backward` an error that names the op.

    Without it, autograd would treat the backward as a constant and return wrong second derivatives.
    """

    def refuse(ctx: Any, *grads: Any) -> NoReturn:
        raise NotImplementedError(
            f"fbn::{name} has no double backward: its gradient cannot be differentiated again; "
            "compute second derivatives with the same formula in plain PyTorch"
        )

    torch.library.register_autograd(f"fbn::{name}_backward", refuse, lib=LIBRARY)
