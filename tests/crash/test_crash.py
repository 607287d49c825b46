"""After SIGKILL, or an error of the disk, a command that is run again gives the same result as an undisturbed run.

`python -m tests.crash` is the long form. Everything runs in processes of its own: what it forks must have no threads.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.crash.cases import CASES
from tests.own_process import run_python

DECEIVED = """
import sys
from pathlib import Path
from tests.crash.machine import Machine
machine = Machine("train-head", Path(sys.argv[1]), seed=0)
machine.expected["m.safetensors"] = "0"
machine.files.discard("data/train/rings/000.png")
print(machine.round()[1])
"""


@pytest.mark.parametrize("name", CASES)
def test_a_killed_command_ends_as_an_unbroken_one(name: str) -> None:
    done = run_python("-m", "tests.crash", "--kills", "3", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name}: [3-9] kills in ", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_fills_ends_a_command_cleanly(name: str) -> None:
    done = run_python("-m", "tests.crash", "--full-disk", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: 4 full disks" in done.stdout


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler (cc, or CC)")
@pytest.mark.parametrize("name", CASES)
def test_a_change_that_the_disk_refuses_ends_a_command_cleanly(name: str) -> None:
    done = run_python("-m", "tests.crash", "--each-change", "--changes", "3", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name}: 3 of [0-9]+ changes, in 4 ways each", done.stdout, re.MULTILINE), done.stdout


def test_what_differs_and_what_is_left_over_is_found(tmp_path: Path) -> None:
    done = run_python("-c", DECEIVED, str(tmp_path))
    assert done.stdout.splitlines()[-1:] == ["['m.safetensors differs', 'data/train/rings/000.png is left over']"], done
