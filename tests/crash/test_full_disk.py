"""A disk that refuses bytes: one line, no temporary file, nothing lost that was finished, and the same end after it."""

from pathlib import Path

import pytest

from tests.crash.machine import CASES, Machine


@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_fills_ends_a_command_cleanly(name: str, tmp_path: Path) -> None:
    machine = Machine(name, tmp_path, seed=0)
    largest = max((tmp_path / "whole" / result).stat().st_size for result in CASES[name].results)
    for share in (0, 0.02, 0.5, 0.99):
        code, said, wrong = machine.starve(int(share * largest))
        assert code == 1
        *_, last = said.splitlines()
        assert last.startswith("error: ")
        assert "File too large" in last
        assert CASES[name].results[0].split("/")[0] in last
        assert "Traceback" not in said
        assert wrong == []
