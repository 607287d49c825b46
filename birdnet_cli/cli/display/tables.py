"""The tables of all commands, and those that belong to no single display: fields, checks, failures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from birdnet_cli.cli.display.console import stderr, stdout
from birdnet_cli.cli.display.printable import printable

if TYPE_CHECKING:
    from birdnet_cli.core.engine.doctor import Check
    from birdnet_cli.core.engine.train_head import TrainedHead

__all__ = ["create_table", "print_checks", "print_cross_validation", "print_failures", "print_fields"]

COLOURS = {"ok": "green", "absent": "yellow", "missing": "red"}


def create_table(*columns: str) -> Table:
    """Return an empty table in the style of all commands."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def print_failures(failures: Sequence[str]) -> None:
    """Name every image that could not be read, on stderr."""
    stderr.print(Text(f"{len(failures)} images could not be read:"))
    for line in failures:
        stderr.print(Text(f"  {printable(line)}"), soft_wrap=True)


def print_cross_validation(trained: "TrainedHead") -> None:
    """Show accuracy and loss of each C on the images that its folds left out, on stderr."""
    if not trained.fit.cross_validation:
        return
    table = create_table("C", "accuracy", "± over folds", "loss")
    for row in trained.fit.cross_validation:
        chosen = "bold" if row.C == trained.fit.C else ""
        table.add_row(f"{row.C:.4g}", f"{row.accuracy:.2%}", f"{row.std:.2%}", f"{row.loss:.4f}", style=chosen)
    stderr.print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Show a mapping, with dotted names for nested mappings."""
    table = create_table("field", "value")
    for name, value in _leaves(fields):
        table.add_row(Text(name), Text(str(value)))
    stdout.print(table)


def print_checks(checks: Iterable["Check"]) -> None:
    """Show which parts of an installation were found, and what to do about the others."""
    table = create_table("", "what", "found", "what to do")
    for check in checks:
        state = Text(check.status, style=COLOURS[check.status])
        table.add_row(state, Text(check.name), Text(check.detail), Text(check.remedy))
    stdout.print(table)


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
