"""Exchanges of two processes through gloo; test_finetune_processes.py compares gradients of one and two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.training import distributed
from birdnet_cli.core.training.distributed import Processes, is_under_launcher, join_process_group

# A process imports torch and divides into two, which join each other; each writes the results of its exchanges.
PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
from birdnet_cli.core.training.distributed import join_process_group

rank = 0 if os.fork() else 1
os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
with join_process_group("cpu") as processes:
    found = {"rank": processes.rank, "size": processes.world_size, "writes": processes.writes}
    found["sum"] = processes.sum([0.1, rank])
    # Rank 0 has three rows, rank 1 has none, then the other way round.
    rows = torch.arange(6.0).reshape(3, 2)
    for owner in (0, 1):
        found[f"rows of {owner}"] = processes.gather(rows if rank == owner else rows[:0]).tolist()
    found["uneven rows"] = processes.gather(rows[: rank + 1] + 10 * rank).tolist()
    found["texts"] = processes.gather_texts([f"{rank}.{number}" for number in range(rank + 1)])
    tensor = torch.full((2,), float(rank))
    processes.broadcast([tensor])
    found["broadcast"] = tensor.tolist()
    processes.barrier()
found["left"] = not torch.distributed.is_initialized()
Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found))
if rank == 0:
    os.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_two_processes_exchange_sums_rows_texts_and_tensors(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], env=os.environ | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert (first.pop("rank"), second.pop("rank")) == (0, 1)
    assert (first.pop("writes"), second.pop("writes")) == (True, False)
    assert first == second
    assert first == {
        "size": 2,
        "sum": [0.2, 1.0],
        "rows of 0": [[0, 1], [2, 3], [4, 5]],
        "rows of 1": [[0, 1], [2, 3], [4, 5]],
        "uneven rows": [[0, 1], [10, 11], [12, 13]],
        "texts": ["0.0", "1.0", "1.1"],
        "broadcast": [0.0, 0.0],
        "left": True,
    }


def test_a_process_alone_gets_its_own_values_back() -> None:
    alone = Processes(torch.device("cpu"))
    rows = torch.arange(4.0).reshape(2, 2)
    assert alone.sum([1.5, 2]) == [1.5, 2]
    assert torch.equal(alone.gather(rows), rows)
    assert alone.gather_texts(["a"]) == ["a"]
    alone.broadcast([rows])
    alone.barrier()
    assert alone.writes


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the second of two processes that a launcher started."""
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_launcher_is_known_by_its_variables(launched: pytest.MonkeyPatch) -> None:
    assert is_under_launcher()
    launched.setenv("WORLD_SIZE", "1")
    assert not is_under_launcher()
    launched.setenv("WORLD_SIZE", "2")
    launched.delenv("RANK")
    assert not is_under_launcher()


def test_without_a_launcher_no_group_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_process_group("cpu") as processes:
        assert processes == Processes(torch.device("cpu"), rank=0, world_size=1)
        assert not torch.distributed.is_initialized()


def test_a_single_gpu_for_several_processes_is_refused(launched: pytest.MonkeyPatch) -> None:
    launched.setattr(distributed, "resolve_device", torch.device)
    with (
        pytest.raises(UsageError, match="device 'cuda:0': 2 processes need a GPU each; use cuda or auto"),
        join_process_group("cuda:0"),
    ):
        pass
