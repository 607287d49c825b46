"""What the parent of several processes says when one of them fails; the processes themselves are tested elsewhere."""

import json
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from birdnet_cli.core.errors import TrainingInterruptedError
from birdnet_cli.core.training.launch import _explain, _read_error


def leave(folder: Path, rank: int, message: str, exit_code: int, *, written: int) -> None:
    path = folder / f"{rank}.json"
    path.write_text(json.dumps({"message": message, "exit_code": exit_code}))
    os.utime(path, ns=(written, written))


def died(rank: int, exitcode: int) -> ChildFailedError:
    return ChildFailedError("train", {rank: ProcessFailure(local_rank=rank, pid=1, exitcode=exitcode, error_file="")})


def test_a_process_that_was_killed_is_named_with_its_signal(tmp_path: Path) -> None:
    error = _explain(tmp_path, 4, died(2, -9))
    assert str(error).startswith("process 2 of 4 died (SIGKILL), and the others were ended")
    assert str(error).endswith("go on from the last checkpoint with --resume")
    assert error.exit_code == 1


def test_a_process_that_ended_by_itself_is_named_with_its_exit_code(tmp_path: Path) -> None:
    assert "process 0 of 2 died (exit code 7)" in str(_explain(tmp_path, 2, died(0, 7)))


def test_what_went_wrong_first_is_what_is_told(tmp_path: Path) -> None:
    leave(tmp_path, 0, "the connection to process 1 is lost", 1, written=2_000)
    leave(tmp_path, 1, "x: holds a run already", 2, written=1_000)
    error = _explain(tmp_path, 2, died(0, 1))
    assert (str(error), error.exit_code) == ("x: holds a run already", 2)


def test_an_interruption_stays_one(tmp_path: Path) -> None:
    leave(tmp_path, 0, "stopped by SIGTERM after step 3 of 9", 143, written=1)
    error = _read_error(tmp_path)
    assert isinstance(error, TrainingInterruptedError)
    assert (str(error), error.exit_code) == ("stopped by SIGTERM after step 3 of 9", 143)


def test_processes_that_left_no_word_have_none(tmp_path: Path) -> None:
    assert _read_error(tmp_path) is None
