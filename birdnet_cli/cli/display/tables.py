"""What commands print for people: results on stdout as tables, failures on stderr."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from birdnet_cli.cli.display.console import stderr, stdout

if TYPE_CHECKING:
    from birdnet_cli.core.engine.doctor import Check
    from birdnet_cli.core.engine.train_head import TrainedHead

__all__ = ["create_table", "print_checks", "print_cross_validation", "print_failures", "print_fields"]

COLOURS = {"ok": "green", "absent": "yellow", "missing": "red"}


def create_table(*columns: str) -> Table:
    """Return an empty table in the one style of all commands."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def print_failures(failures: Sequence[str]) -> None:
    """Name every image that could not be read."""
    stderr.print(Text(f"{len(failures)} images could not be read:"))
    for line in failures:
        stderr.print(Text(f"  {line.encode('utf-8', 'backslashreplace').decode()}"), soft_wrap=True)


def print_cross_validation(trained: "TrainedHead") -> None:
    """Show how each C did on the images that its folds left out."""
    if not trained.fit.cross_validation:
        return
    table = create_table("C", "accuracy", "± over folds", "loss")
    for row in trained.fit.cross_validation:
        chosen = "bold" if row.C == trained.fit.C else ""
        table.add_row(f"{row.C:.4g}", f"{row.accuracy:.2%}", f"{row.std:.2%}", f"{row.loss:.4f}", style=chosen)
    stderr.print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Show a mapping, nested ones with dotted names."""
    table = create_table("field", "value")
    for name, value in _leaves(fields):
        table.add_row(Text(name), Text(str(value)))
    stdout.print(table)


def print_checks(checks: Iterable["Check"]) -> None:
    """Show what an installation has and lacks."""
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
