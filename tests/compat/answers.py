"""Answers of fbn as values: reading them, and whether those of today say what those of an earlier version said."""

import csv
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import h5py

__all__ = ["digest_rows", "disagreements", "parse_answer", "read_metrics"]

# Sentences, whose wording may change, and the versions of the software that answers.
FREE = ("error", "evaluated_with", "failed", "failures", "methods", "problems")
# Columns of a run's metrics that the clock and the machine decide.
MEASURED = ("images_per_second", "memory_mb")


def parse_answer(text: str, suffix: str) -> Any:
    """Return the values of a JSON document, of JSON lines, or of a CSV with a header."""
    if suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    return json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def read_metrics(run: Path) -> list[dict[str, str]]:
    """Return the rows of a run's metrics."""
    rows: list[dict[str, str]] = parse_answer((run / "metrics.csv").read_text(encoding="utf-8"), ".csv")
    return rows


def digest_rows(cache: Path, rows: slice = slice(None)) -> dict[str, str]:
    """Return descriptor -> SHA-256 of its stored rows."""
    with h5py.File(cache, "r") as file:
        return {name: hashlib.sha256(values[rows].tobytes()).hexdigest() for name, values in file["features"].items()}


def disagreements(old: Any, new: Any, *, tolerance: float, where: str = "") -> list[str]:
    """Return a line for each value of an old answer that a new one lacks or contradicts.

    Args:
        old: JSON values; of a CSV, texts, which are compared as numbers where both are numbers.
        new: the same of the version at hand; mappings may have further keys.
        tolerance: by which numbers may differ, absolute below 1 and relative above it.
        where: path of both values in the whole answer.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        lacking = [f"{where}.{key} is lacking" for key in old if key not in new]
        shared = [key for key in old if key in new and key not in MEASURED]
        return lacking + [
            line
            for key in shared
            for line in disagreements(
                _shape(old[key]) if key in FREE else old[key],
                _shape(new[key]) if key in FREE else new[key],
                tolerance=tolerance,
                where=f"{where}.{key}",
            )
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [
            line
            for index, (one, other) in pairs
            for line in disagreements(one, other, tolerance=tolerance, where=f"{where}[{index}]")
        ]
    return [] if _agree(old, new, tolerance) else [f"{where}: {old!r:.80} was answered, now {new!r:.80}"]


def _shape(value: Any) -> Any:
    """Return how many sentences there are: whether there is one, or the length of a list of them."""
    return len(value) if isinstance(value, list) else bool(value)


def _agree(old: Any, new: Any, tolerance: float) -> bool:
    if type(old) is type(new) and old == new:
        return True
    if isinstance(old, bool) or isinstance(new, bool):
        return False
    if isinstance(old, str) and isinstance(new, str):
        old, new = _number(old), _number(new)
    if not isinstance(old, int | float) or not isinstance(new, int | float):
        return False
    return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
