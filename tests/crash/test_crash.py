"""SIGKILL at any moment loses nothing: run again, a command ends as if nobody had killed it.

`python -m tests.crash --kills 200` is the long form.
"""

from pathlib import Path

import pytest

from tests.crash.machine import CASES, Machine


@pytest.mark.parametrize("name", CASES)
def test_a_killed_command_ends_as_an_unbroken_one(name: str, tmp_path: Path) -> None:
    machine = Machine(name, tmp_path, seed=0)
    for kills in (1, 2):
        assert machine.round(kills)[1] == []


def test_what_differs_and_what_is_left_over_is_found(tmp_path: Path) -> None:
    machine = Machine("train-head", tmp_path, seed=0)
    machine.expected["m.safetensors"] = "0"
    machine.files.discard("data/train/rings/000.png")
    assert machine.round()[1] == ["m.safetensors differs", "data/train/rings/000.png is left over"]
