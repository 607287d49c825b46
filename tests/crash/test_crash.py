"""SIGKILL at any moment, or a disk that fills, loses nothing: run again, a command ends as an unbroken one.

`python -m tests.crash` is the long form. Everything runs in processes of its own: what it forks must have no threads.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.machine import CASES

ROOT = Path(__file__).resolve().parents[2]
DECEIVED = """
import sys
from pathlib import Path
from tests.crash.machine import Machine
machine = Machine("train-head", Path(sys.argv[1]), seed=0)
machine.expected["m.safetensors"] = "0"
machine.files.discard("data/train/rings/000.png")
print(machine.round()[1])
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        (sys.executable, *arguments), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", CASES)
def test_a_killed_command_ends_as_an_unbroken_one(name: str) -> None:
    done = run("-m", "tests.crash", "--kills", "3", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: " in done.stdout


@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_fills_ends_a_command_cleanly(name: str) -> None:
    done = run("-m", "tests.crash", "--full-disk", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: 4 full disks" in done.stdout


def test_what_differs_and_what_is_left_over_is_found(tmp_path: Path) -> None:
    done = run("-c", DECEIVED, str(tmp_path))
    assert done.stdout.splitlines()[-1:] == ["['m.safetensors differs', 'data/train/rings/000.png is left over']"], done
