"""Prediction rows -> a table, JSON, JSON lines or CSV on a text stream."""

import csv
import json
from collections.abc import Callable, Iterable
from typing import IO

from rich.console import Console
from rich.text import Text

from birdnet_cli.cli.display.console import PIPE_WIDTH
from birdnet_cli.cli.display.printable import printable
from birdnet_cli.cli.display.tables import create_table
from birdnet_cli.core.model import Prediction
from birdnet_cli.core.spreadsheet import text_cell

__all__ = ["write_predictions"]


def write_predictions(rows: Iterable[Prediction], form: str, stream: IO[str]) -> int:
    """Write rows as they come (a table when all are complete), and return the number of failures.

    Args:
        rows: a prediction per image.
        form: `table`, `json`, `jsonl` or `csv`.
        stream: text stream; undecodable bytes of file names are written as backslash escapes.
    """
    failed = 0

    def counted() -> Iterable[Prediction]:
        nonlocal failed
        for row in rows:
            failed += row.status != "ok"
            yield row

    WRITERS[form](counted(), stream)
    return failed


def _write_table(rows: Iterable[Prediction], stream: IO[str]) -> None:
    table = create_table()
    table.add_column("image", overflow="fold")
    table.add_column("name")
    table.add_column("probability", justify="right")
    for row in rows:
        for position, guess in enumerate(row.top):
            name = printable(row.path) if position == 0 else ""
            table.add_row(Text(name), Text(guess.label), f"{guess.prob:.2%}")
        if row.error is not None:
            table.add_row(Text(printable(row.path)), Text(f"error: {printable(row.error)}", style="red"), "")
    Console(file=stream, highlight=False, width=None if stream.isatty() else PIPE_WIDTH).print(table)


def _write_json(rows: Iterable[Prediction], stream: IO[str]) -> None:
    stream.write(printable(json.dumps([row.to_json() for row in rows], ensure_ascii=False, indent=1)) + "\n")


def _write_json_lines(rows: Iterable[Prediction], stream: IO[str]) -> None:
    for row in rows:
        stream.write(printable(json.dumps(row.to_json(), ensure_ascii=False)) + "\n")
        stream.flush()


def _write_csv(rows: Iterable[Prediction], stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["path", "status", "error", "rank", "label", "index", "prob", "model"])
    for row in rows:
        path, error = (text_cell(printable(text)) for text in (row.path, row.error or ""))
        model = text_cell(row.model)
        if not row.top:
            writer.writerow([path, row.status, error, "", "", "", "", model])
        for rank, guess in enumerate(row.top, start=1):
            label = text_cell(guess.label)
            writer.writerow([path, row.status, error, rank, label, guess.index, f"{guess.prob:.6f}", model])


WRITERS: dict[str, Callable[[Iterable[Prediction], IO[str]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}
