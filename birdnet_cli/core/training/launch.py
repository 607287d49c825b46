"""Start several processes on this machine that train together, under torchrun's elastic agent."""

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
    """Train in `nproc` processes, on one GPU each or sharing the CPU's cores.

    If one of them ends early, the agent ends the others. A signal is passed on to all of them, who then save.

    Args:
        job: what to do.
        nproc: number of processes.
        progress: follows rank 0; it must be picklable.

    Raises:
        FbnError: a process failed or died; the message is its own where it left one.
        TrainingInterruptedError: a signal came, and the training was saved.
    """
    with tempfile.TemporaryDirectory(prefix="fbn-") as folder, _quiet_agent(), _handlers_kept():
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=nproc, run_id=uuid.uuid4().hex, rdzv_backend="c10d",
            rdzv_endpoint="localhost:0", max_restarts=0, start_method="spawn",
        )  # fmt: skip
        threads = max(1, torch.get_num_threads() // nproc)
        try:
            reports = elastic_launch(config, _train_as_one_of_many)(job, progress, threads, folder)
        except ChildFailedError as error:
            raise _explain(Path(folder), nproc, error) from error
        except SignalException as error:
            raise _read_error(Path(folder)) or TrainingInterruptedError(
                f"stopped by {error.sigval.name} before the processes could save; go on with --resume", error.sigval
            ) from error
        (report,) = (one for one in reports.values() if one.rank == 0)
        return cast(FinetuneReport, report)


def _train_as_one_of_many(job: TrainingJob, progress: TrainingProgress, threads: int, folder: str) -> FinetuneReport:
    torch.set_num_threads(threads)
    try:
        with join_process_group(job.settings.device) as processes:
            return run_training(job, processes, progress)
    except FbnError as error:
        # The parent tells the user; a traceback from each process would bury it.
        rank = os.environ["RANK"]
        text = json.dumps({"message": str(error), "exit_code": error.exit_code})
        Path(folder, f"{rank}.tmp").write_text(text, encoding="utf-8")
        Path(folder, f"{rank}.tmp").rename(Path(folder, f"{rank}.json"))
        sys.exit(error.exit_code)


def _explain(folder: Path, nproc: int, error: ChildFailedError) -> FbnError:
    told = _read_error(folder)
    if told is not None:
        return told
    rank, failure = error.get_first_failure()
    how = signal.Signals(-failure.exitcode).name if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    return FbnError(
        f"process {rank} of {nproc} died ({how}), and the others were ended; its last words are above, if it had any; "
        "go on from the last checkpoint with --resume"
    )


def _read_error(folder: Path) -> FbnError | None:
    # What went wrong in one process mostly ends the others with a lost connection: the first file counts.
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
    # What it would log is said in one line by `_explain`.
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
def _handlers_kept() -> Iterator[None]:
    kept = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
