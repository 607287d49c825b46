"""One interleaved run: every contender on every shape, forward and with its gradient, beside the machine's ceilings."""

import gc
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from birdnet_cli.core.bench.ops.contender import OpBench, Shape
from birdnet_cli.core.bench.ops.measure import copy_bytes_per_second, gemm_flops_per_second
from birdnet_cli.core.bench.ops.registry import create_op_bench, list_contenders
from birdnet_cli.core.bench.ops.results import Ceilings, OpReport, OpRow, PassRow
from birdnet_cli.core.bench.ops.trial import Trial
from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import UnknownNameError
from birdnet_cli.core.ops import describe_ops
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.provenance import software_versions

__all__ = ["bench_ops"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
BASELINE = ("eager", torch.float32)
# A contender that would materialise more than this is left out of a shape.
INTERMEDIATE_BYTES = 2**29


def bench_ops(
    ops: Sequence[str],
    *,
    device: str = "auto",
    shapes: Sequence[Shape] | None = None,
    dtypes: Sequence[str] = ("float32", "bfloat16"),
    contenders: Sequence[str] | None = None,
    repeats: int = 7,
    progress: Progress | None = None,
) -> OpReport:
    """Time all contenders of some ops, one sample of each in turn, `repeats` times.

    Args:
        ops: names; see `list_op_benches`.
        device: auto, cpu, cuda or cuda:N.
        shapes: shapes of the feature maps; None is each op's own list.
        dtypes: dtypes of the feature maps; `eager` is measured in float32 in any case.
        contenders: names; None is all. `eager` is measured in any case.
        repeats: samples of each.
        progress: follows the work.

    Raises:
        UnknownNameError: no such op, dtype or contender.
        UsageError: no such device.
    """
    progress = progress or SilentProgress()
    where = resolve_device(device)
    kinds = {name: _dtype(name) for name in dict.fromkeys(("float32", *dtypes))}
    benches = {op: create_op_bench(op) for op in ops}
    known = list_contenders(ops)
    for name in contenders or ():
        if name not in known:
            raise UnknownNameError("contender", name, known)
    ceilings = {name: gemm_flops_per_second(dtype, where) for name, dtype in kinds.items()}
    ceilings["copy"] = copy_bytes_per_second(where)
    rates: dict[str, list[float]] = {name: [] for name in ceilings}
    finished: list[Trial] = []
    for op, bench in benches.items():
        for shape in shapes or bench.shapes:
            # Reference cycles of an earlier shape must not be freed while memory is measured.
            gc.collect()
            wanted = [kinds[name] for name in dtypes]
            trials = list(_prepare(op, bench, shape, wanted, contenders, where, progress))
            with progress.stage(f"{op} {shape}", total=repeats * len(trials), unit="samples") as advance:
                for _ in range(repeats):
                    for name, measure in ceilings.items():
                        rates[name].append(measure())
                    for trial in trials:
                        trial.sample()
                        advance(1)
            for trial in trials:
                trial.release()
            finished.extend(trials)
            # torch.compile keeps few graphs for a function, and each shape needs its own.
            torch.compiler.reset()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    copy = medians.pop("copy")
    rows = tuple(_row(trial, finished, benches[trial.op], medians) for trial in finished)
    return OpReport(_describe_machine(where, ops), Ceilings(medians, copy), rows)


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UnknownNameError("dtype", name, DTYPES)
    return DTYPES[name]


def _prepare(
    op: str,
    bench: OpBench,
    shape: Shape,
    dtypes: Sequence[torch.dtype],
    names: Sequence[str] | None,
    device: torch.device,
    progress: Progress,
) -> Iterator[Trial]:
    for name, contender in bench.contenders(shape.C, device).items():
        for dtype in dict.fromkeys((BASELINE[1], *dtypes)):
            is_wanted = (names is None or name in names) and dtype in dtypes
            if (not is_wanted and (name, dtype) != BASELINE) or contender.intermediate_bytes(
                shape
            ) > INTERMEDIATE_BYTES:
                continue
            try:
                yield Trial(op, name, contender, shape, dtype=dtype, device=device)
            except RuntimeError as error:
                # The machine lacks a compiler, a dtype or memory.
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                progress.note(f"{op} {shape}: {name} left out in {dtype}: {reason}")


def _row(trial: Trial, trials: Sequence[Trial], bench: OpBench, gemm: dict[str, float]) -> OpRow:
    dtype = dtype_name(trial.dtype)
    same = (other for other in trials if (other.op, other.shape) == (trial.op, trial.shape))
    baseline = next((other.seconds() for other in same if (other.name, other.dtype) == BASELINE), None)
    forward_flops, backward_flops = bench.flops(trial.shape)
    passes = [
        PassRow(
            seconds=seconds,
            speed=None if baseline is None else baseline[index] / seconds,
            gemm_share=flops / seconds / gemm[dtype],
            extra_bytes=trial.extra_bytes[index],
        )
        for index, (seconds, flops) in enumerate(
            zip(trial.seconds(), (forward_flops, forward_flops + backward_flops), strict=True)
        )
    ]
    return OpRow(trial.op, str(trial.shape), dtype, trial.name, *passes)


def _describe_machine(device: torch.device, ops: Sequence[str]) -> dict[str, Any]:
    runs = {status.op: status.runs for status in describe_ops() if status.device == device.type and status.op in ops}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return {"device": str(device), "name": name, "threads": threads, "fbn runs": runs, **software_versions()}
