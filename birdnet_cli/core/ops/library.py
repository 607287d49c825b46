"""The `fbn` operator library: each op's schema, reference, shape function and autograd, registered once at import.

An op exists in Python alone. A compiled implementation adds itself to the same name for one device and then wins over
the reference, which is registered for every device; callers never ask which of them runs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import torch

__all__ = ["LIBRARY", "define_op", "forbid_double_backward"]

# An op lives as long as the object that defined it.
LIBRARY = torch.library.Library("fbn", "DEF")  # type: ignore[no-untyped-call]


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

    LIBRARY.define(schema)  # type: ignore[no-untyped-call]
    LIBRARY.impl(name, without_autocast, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"fbn::{name}", fake, lib=LIBRARY)


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
