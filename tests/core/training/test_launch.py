"""Messages of the parent process when a process fails; test_finetune_processes.py starts real processes."""

import json
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from birdnet_cli.core.errors import TrainingInterruptedError
from birdnet_cli.core.training.launch import _describe_death, _read_error


def report(folder: Path, rank: int, message: str, exit_code: int, *, written: int) -> None:
    path = folder / f"{rank}.json"
    path.write_text(json.dumps({"message": message, "exit_code": exit_code}))
    os.utime(path, ns=(written, written))


def failed(rank: int, exitcode: int) -> ChildFailedError:
    return ChildFailedError("train", {rank: ProcessFailure(local_rank=rank, pid=1, exitcode=exitcode, error_file="")})


def test_a_process_that_was_killed_is_named_with_its_signal() -> None:
    error = _describe_death(4, failed(2, -9))
    assert str(error) == (
        "process 2 of 4 (counted from 0) was killed by SIGKILL, and the other processes were stopped; its error "
        "output, if any, is above; continue from the last checkpoint with --resume"
    )
    assert error.exit_code == 1


def test_a_process_that_ended_by_itself_is_named_with_its_exit_code() -> None:
    assert "process 0 of 2 (counted from 0) ended with exit code 7" in str(_describe_death(2, failed(0, 7)))


def test_the_first_of_several_errors_is_shown(tmp_path: Path) -> None:
    report(tmp_path, 0, "the connection to process 1 is lost", 1, written=2_000)
    report(tmp_path, 1, "x: holds a run already", 2, written=1_000)
    error = _read_error(tmp_path)
    assert error is not None
    assert (str(error), error.exit_code) == ("x: holds a run already", 2)


def test_an_interruption_keeps_its_type_and_exit_code(tmp_path: Path) -> None:
    report(tmp_path, 0, "stopped by SIGTERM after step 3 of 9", 143, written=1)
    error = _read_error(tmp_path)
    assert isinstance(error, TrainingInterruptedError)
    assert (str(error), error.exit_code) == ("stopped by SIGTERM after step 3 of 9", 143)


def test_processes_that_reported_no_error_have_none(tmp_path: Path) -> None:
    assert _read_error(tmp_path) is None
