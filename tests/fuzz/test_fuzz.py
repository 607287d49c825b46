"""Two hundred damaged files for every parser; `python -m tests.fuzz` reads more.

The harness forks, so it runs in a process of its own, without threads.
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


@pytest.fixture(scope="module")
def printed() -> str:
    """What the harness prints after 200 damaged files for each parser, all in one process that starts once."""
    done = run_python("-m", "tests.fuzz", "--inputs", "200")
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_errors_of_fbn(name: str, printed: str) -> None:
    assert f"\n{name}: 200 inputs, 0 findings" in f"\n{printed}", printed


def test_a_parser_that_fails_is_found() -> None:
    done = run_python("-c", BROKEN)
    assert done.stdout.splitlines() == [
        str(["groups 0: KeyError: 'x'", "groups 1: KeyError: 'x'"]),
        str(["groups 0: SystemExit: ", "groups 1: SystemExit: "]),
        "[]",
    ], done
