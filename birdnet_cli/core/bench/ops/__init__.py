"""Rates of the ops on this machine: ours against the usual ways of writing them, and the machine's own ceilings."""

from birdnet_cli.core.bench.ops.contender import Contender, OpBench, Shape, parse_shapes
from birdnet_cli.core.bench.ops.registry import create_op_bench, list_contenders, list_op_benches
from birdnet_cli.core.bench.ops.results import Ceilings, OpReport, OpRow, PassRow
from birdnet_cli.core.bench.ops.run import bench_ops

__all__ = [
    "Ceilings",
    "Contender",
    "OpBench",
    "OpReport",
    "OpRow",
    "PassRow",
    "Shape",
    "bench_ops",
    "create_op_bench",
    "list_contenders",
    "list_op_benches",
    "parse_shapes",
]
