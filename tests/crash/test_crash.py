"""After SIGKILL, or an error of the disk, a command that is run again gives the same result as an undisturbed run.

The tests run the short form of `python -m tests.crash`, once for all commands. Everything runs in processes of its own:
what it forks must have no threads.
"""

import os
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

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
# What a case prints after its kills, full disks and failing changes, if each was done.
ENDINGS = {"kills": r"[3-9] kills in ", "full disks": "4 full disks", "changes": "4 of [0-9]+ changes, in 1 ways each"}

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler (cc, or CC)"
)


@pytest.fixture(scope="module")
def short() -> CompletedProcess[str]:
    return run_python("-m", "tests.crash", "--short")


@needs_compiler
@pytest.mark.parametrize("fault", ENDINGS)
@pytest.mark.parametrize("name", CASES)
def test_a_command_that_is_disturbed_ends_as_an_undisturbed_one(
    short: CompletedProcess[str], name: str, fault: str
) -> None:
    assert [line for line in short.stdout.splitlines() if line.startswith(f"{name}, ")] == []
    assert re.search(rf"^{name}: {ENDINGS[fault]}", short.stdout, re.MULTILINE), short.stdout + short.stderr
    assert short.returncode == 0, short.stdout + short.stderr


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("name", CASES)
def test_a_change_may_fail_in_every_way(name: str) -> None:
    done = run_python("-m", "tests.crash", "--each-change", "--changes", "3", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name}: 3 of [0-9]+ changes, in 4 ways each", done.stdout, re.MULTILINE), done.stdout


def test_what_differs_and_what_is_left_over_is_found(tmp_path: Path) -> None:
    done = run_python("-c", DECEIVED, str(tmp_path))
    assert done.stdout.splitlines()[-1:] == ["['m.safetensors differs', 'data/train/rings/000.png is left over']"], done
