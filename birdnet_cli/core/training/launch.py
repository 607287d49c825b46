"""Starts several processes on this machine that train together, under torchrun's elastic agent."""

import json
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from birdnet_cli.core.errors import FbnError, TrainingInterruptedError
from birdnet_cli.core.training.distributed import join_process_group
from birdnet_cli.core.training.progress import TrainingProgress
from birdnet_cli.core.training.run import FinetuneReport, TrainingJob, run_training

__all__ = ["launch"]

LOGGERS = ("torch.distributed.elastic", "torch.multiprocessing.spawn")


def launch(job: TrainingJob, *, nproc: int, progress: TrainingProgress) -> FinetuneReport:
    """Train in `nproc` processes, each on a GPU of its own, or all on the cores of the CPU.

    If a process ends early, the agent stops the others. The agent forwards a signal to all processes, which then save.

    Args:
        job: data, run directory and settings.
        nproc: number of processes.
        progress: progress of rank 0; must be picklable.

    Returns:
        The report of rank 0.

    Raises:
        FbnError: a process raised this error, or it died without raising an error of fbn.
        TrainingInterruptedError: a signal came; the message says whether the training was saved.
    """
    with tempfile.TemporaryDirectory(prefix="fbn-") as folder, _quiet_agent(), _handlers_restored():
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=nproc, run_id=uuid.uuid4().hex, rdzv_backend="c10d",
            rdzv_endpoint="localhost:0", max_restarts=0, start_method="spawn",
        )  # fmt: skip
        threads = max(1, torch.get_num_threads() // nproc)
        try:
            reports = elastic_launch(config, _run_process)(job, progress, threads, folder)
        except ChildFailedError as error:
            raise _read_error(Path(folder)) or _describe_death(nproc, error) from error
        except SignalException as error:
            raise _read_error(Path(folder)) or TrainingInterruptedError(
                f"stopped by {error.sigval.name} before the processes could save; continue from the last checkpoint "
                "with --resume",
                error.sigval,
            ) from error
        (report,) = (report for report in reports.values() if report.rank == 0)
        return cast(FinetuneReport, report)


def _run_process(job: TrainingJob, progress: TrainingProgress, threads: int, folder: str) -> FinetuneReport:
    torch.set_num_threads(threads)
    try:
        with join_process_group(job.settings.device) as processes:
            return run_training(job, processes, progress)
    except FbnError as error:
        # The parent shows the message: a traceback from each process would hide it.
        rank = os.environ["RANK"]
        text = json.dumps({"message": str(error), "exit_code": error.exit_code})
        Path(folder, f"{rank}.tmp").write_text(text, encoding="utf-8")
        Path(folder, f"{rank}.tmp").rename(Path(folder, f"{rank}.json"))
        sys.exit(error.exit_code)


def _describe_death(nproc: int, error: ChildFailedError) -> FbnError:
    rank, failure = error.get_first_failure()
    if failure.exitcode < 0:
        cause = f"was killed by {signal.Signals(-failure.exitcode).name}"
    else:
        cause = f"ended with exit code {failure.exitcode}"
    return FbnError(
        f"process {rank} of {nproc} (counted from 0) {cause}, and the other processes were stopped; its error output, "
        "if any, is above; continue from the last checkpoint with --resume"
    )


def _read_error(folder: Path) -> FbnError | None:
    # An error in a process ends the others with a lost connection: the cause is the first error.
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        return None
    content: dict[str, Any] = json.loads(files[0].read_text(encoding="utf-8"))
    if content["exit_code"] > 128:
        return TrainingInterruptedError(content["message"], content["exit_code"] - 128)
    error = FbnError(content["message"])
    error.exit_code = content["exit_code"]
    return error


@contextmanager
def _quiet_agent() -> Iterator[None]:
    # `_describe_death` says in a line what the agent would log.
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _handlers_restored() -> Iterator[None]:
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
