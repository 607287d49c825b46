"""A few hundred damaged files for every parser; `python -m tests.fuzz` is the long form.

In processes of their own: what forks must have no threads.
"""

import pytest

from tests.fuzz.parsers import PARSERS
from tests.own_process import run_python

BROKEN = """
from dataclasses import replace
from tests.fuzz.harness import fuzz
from tests.fuzz.parsers import PARSERS

def crash(path):
    raise KeyError("x")

def leave(path):
    raise SystemExit

sound = PARSERS["groups"]
for read in (crash, leave, sound.read):
    PARSERS["groups"] = replace(sound, read=read)
    print(fuzz("groups", inputs=2))
"""


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_errors_of_fbn(name: str) -> None:
    done = run_python("-m", "tests.fuzz", "--inputs", "200", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: 200 inputs, 0 findings" in done.stdout


def test_a_parser_that_fails_is_found() -> None:
    done = run_python("-c", BROKEN)
    assert done.stdout.splitlines() == [
        str(["groups 0: KeyError: 'x'", "groups 1: KeyError: 'x'"]),
        str(["groups 0: SystemExit: ", "groups 1: SystemExit: "]),
        "[]",
    ], done
