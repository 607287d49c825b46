"""Tables that belong to no single display."""

import pytest

from birdnet_cli.cli.display.tables import print_checks, print_failures, print_fields
from birdnet_cli.core.engine.doctor import Check


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_nested_fields_have_dotted_names(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"file": "a.h5", "splits": {"train": 3, "test": 1}})
    assert rows(capsys.readouterr().out)[1:] == [["file", "a.h5"], ["splits.train", "3"], ["splits.test", "1"]]


def test_markup_in_a_value_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"name": "[red]x[/red]"})
    assert "[red]x[/red]" in capsys.readouterr().out


def test_failures_go_to_stderr_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_failures(["a.jpg: truncated", "caf\udce9.jpg: no such file"])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "2 images could not be read:",
        "  a.jpg: truncated",
        "  caf\\udce9.jpg: no such file",
    ]


def test_a_check_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks([Check("compiler", "missing", "none found", "install g++")])
    assert "missing" in (out := capsys.readouterr().out)
    assert "install g++" in out
