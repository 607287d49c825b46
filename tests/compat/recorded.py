"""The folders of earlier versions, and what was recorded of each."""

import json
from pathlib import Path
from typing import Any

from tests.compat.answers import parse_answer

__all__ = ["EXPECTED", "FOLDERS", "each", "recorded_answer"]

FOLDERS = {path.parent.name: path.parent for path in sorted(Path(__file__).parent.glob("v*/expected.json"))}
EXPECTED: dict[str, dict[str, Any]] = {
    version: json.loads((folder / "expected.json").read_text(encoding="utf-8")) for version, folder in FOLDERS.items()
}


def each(section: str) -> list[tuple[str, str]]:
    """Return version and name of every entry in a section of what was recorded."""
    return [(version, name) for version, expected in EXPECTED.items() for name in expected[section]]


def recorded_answer(version: str, name: str) -> Any:
    """Return the values that a version answered; those of an evaluation are one of its files."""
    asked = EXPECTED[version]["answers"][name]
    if "values" in asked:
        return asked["values"]
    return parse_answer((FOLDERS[version] / asked["answer"]).read_text(encoding="utf-8"), ".json")
