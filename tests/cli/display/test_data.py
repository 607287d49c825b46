from pathlib import Path

import pytest

from birdnet_cli.cli.display.data import print_counts, print_problems


def test_counts_end_in_a_row_of_sums(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts(("auk", "[crow]"), {"train": (3, 4), "test": (1, 0)})
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["class", "train", "test"],
        ["auk", "3", "1"],
        ["[crow]", "4", "0"],
        ["all", "7", "1"],
    ]


def test_problems_are_a_line_each_and_their_absence_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems(["a.jpg: truncated", "b.jpg: also in test"], Path("birds"))
    assert capsys.readouterr().out.splitlines() == ["a.jpg: truncated", "b.jpg: also in test"]
    print_problems([], Path("birds"))
    assert capsys.readouterr().out == "birds: no problem found\n"
