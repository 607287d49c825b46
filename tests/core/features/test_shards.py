"""What a failing process of an extraction is reported as."""

from pathlib import Path
from typing import Any

import pytest
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from birdnet_cli.core.engine.extract import prepare_extraction
from birdnet_cli.core.errors import DataError, FbnError
from birdnet_cli.core.features import shards as shard_pass
from birdnet_cli.core.features.run import run_extraction
from birdnet_cli.core.features.shards import require_few_failures
from tests.core.textures import small_settings

TRACEBACK = (
    "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n"
    '  File "x.py", line 1, in _wrap\n    fn(i, *args)\n{}\n'
)


class FailingProcesses:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def join(self, timeout: float) -> bool:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ProcessRaisedException(TRACEBACK.format("birdnet_cli.core.errors.DataError: a.png: bad: 3"), 1, 9),
            "a.png: bad: 3",
        ),
        (ProcessRaisedException(TRACEBACK.format("KeyError"), 1, 9), "KeyError"),
        (
            ProcessExitedException("process 0 terminated with signal SIGKILL", 0, 9, -9, "SIGKILL"),
            "a process of the extraction died: process 0 terminated with signal SIGKILL; rerun to resume, or lower "
            "--nproc",
        ),
    ],
    ids=["its own error", "an error without a text", "killed"],
)
def test_a_failing_process_is_reported_in_its_own_words_and_in_one_line(
    textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def spawn(*_: Any, **__: Any) -> FailingProcesses:
        return FailingProcesses(error)

    monkeypatch.setattr(shard_pass, "spawn", spawn)
    extraction = prepare_extraction(textures, tmp_path / "out.h5", settings=small_settings(pooling="max"))
    with pytest.raises(FbnError) as caught:
        run_extraction(extraction, nproc=2)
    assert str(caught.value) == message


def test_failures_up_to_what_is_allowed_are_none() -> None:
    require_few_failures(["a: bad", "b: bad"], 2)
    require_few_failures(["a: bad"] * 1000, None)


def test_failures_beyond_what_is_allowed_are_counted_and_the_first_five_named() -> None:
    with pytest.raises(DataError, match=r"^7 images cannot be read \(6 allowed\): 0: x; 1: x; 2: x; 3: x; 4: x\. Rem"):
        require_few_failures([f"{index}: x" for index in range(7)], 6)
