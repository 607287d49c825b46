"""Cells of a CSV: text that a spreadsheet would compute stays text."""

import pytest

from birdnet_cli.core.spreadsheet import text_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_formula_is_kept_as_text(text: str) -> None:
    assert text_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=1", "images/001.jpg", "'quoted", " =1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert text_cell(text) == text
