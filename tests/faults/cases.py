"""Read the table of fault cases, and sum up each case's outcome in a run of the suite."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["Case", "read_cases", "summarize"]


class Case(NamedTuple):
    """A fault case.

    Attributes:
        number: its number, from 1.
        what: what must happen.
        tests: `file::function` of its tests, below `tests/`.
    """

    number: int
    what: str
    tests: tuple[str, ...]


def read_cases() -> list[Case]:
    """Return the cases of `cases.txt` in order."""
    lines = (Path(__file__).parent / "cases.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.split(" | ") for line in lines if not line.startswith("#"))
    return [Case(int(number), what, tuple(tests.split())) for number, what, tests in parts]


def summarize(outcomes: Mapping[str, Iterable[str]]) -> list[tuple[Case, str]]:
    """Return each case with the worst outcome of its tests: `failed`, `not run`, `skipped` or `passed`.

    Args:
        outcomes: `file::function` -> outcomes of its runs; a function counts as skipped if every run was skipped.
    """
    rows = []
    for case in read_cases():
        results = [set(outcomes.get(test, ())) for test in case.tests]
        if any("failed" in found for found in results):
            rows.append((case, "failed"))
        elif not all(results):
            rows.append((case, "not run"))
        elif any(found == {"skipped"} for found in results):
            rows.append((case, "skipped"))
        else:
            rows.append((case, "passed"))
    return rows
