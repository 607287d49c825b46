"""The ops that can be measured, by name."""

from collections.abc import Iterable

import torch

from birdnet_cli.core.bench.ops.bilinear_pool import BILINEAR_POOL
from birdnet_cli.core.bench.ops.compact_bilinear_pool import COMPACT_BILINEAR_POOL
from birdnet_cli.core.bench.ops.contender import OpBench
from birdnet_cli.core.bench.ops.fb_quadratic import FB_QUADRATIC
from birdnet_cli.core.errors import UnknownNameError

__all__ = ["create_op_bench", "list_contenders", "list_op_benches"]

OP_BENCHES = {
    "bilinear_pool": BILINEAR_POOL,
    "compact_bilinear_pool": COMPACT_BILINEAR_POOL,
    "fb_quadratic": FB_QUADRATIC,
}


def create_op_bench(name: str) -> OpBench:
    """Return the contenders of one op.

    Raises:
        UnknownNameError: no such op, or none that is measured.
    """
    if name not in OP_BENCHES:
        raise UnknownNameError("op", name, OP_BENCHES)
    return OP_BENCHES[name]


def list_op_benches() -> list[str]:
    """Return the names."""
    return sorted(OP_BENCHES)


def list_contenders(ops: Iterable[str]) -> list[str]:
    """Return the names of all contenders of some ops, each once.

    Raises:
        UnknownNameError: no such op.
    """
    names = (name for op in ops for name in create_op_bench(op).contenders(1, torch.device("cpu")))
    return list(dict.fromkeys(names))
