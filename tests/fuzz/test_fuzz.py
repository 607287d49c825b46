"""A few hundred damaged files for every parser; `python -m tests.fuzz --inputs 10000` is the long form."""

import pytest

from tests.fuzz.harness import fuzz
from tests.fuzz.parsers import PARSERS


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_errors_of_fbn(name: str) -> None:
    assert fuzz(name, inputs=200) == []


def test_a_parser_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    def crash(_path: object) -> object:
        raise KeyError("x")

    monkeypatch.setitem(PARSERS, "groups", replace(PARSERS["groups"], read=crash))
    assert fuzz("groups", inputs=3) == [f"groups {number}: KeyError: 'x'" for number in range(3)]
