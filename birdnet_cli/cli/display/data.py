"""What `fbn data` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.printable import printable
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.engine.audit import Audit

__all__ = ["print_audit", "print_counts", "print_problems"]


def print_problems(problems: Sequence[str], data: Path) -> None:
    """Show a line per problem that `fbn data check` found, or that the data set has none."""
    for line in problems or [f"{data}: no problem found"]:
        typer.echo(printable(line).encode())


def print_counts(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> None:
    """Show how many images each class has in each split."""
    table = create_table("class", *counts)
    for label, name in enumerate(classes):
        table.add_row(Text(name), *(str(per_class[label]) for per_class in counts.values()))
    table.add_row("all", *(str(sum(per_class)) for per_class in counts.values()), style="bold")
    stdout.print(table)


def print_audit(found: "Audit", *, most: int) -> None:
    """Show how many findings there are of each kind, and the clearest of them."""
    shown: dict[str, int] = {}
    table = create_table("kind", "score", "image", "class", "rather, or the same as")
    for row in found.to_rows():
        shown[row["kind"]] = shown.get(row["kind"], 0) + 1
        if shown[row["kind"]] > most:
            continue
        other = row["suggestion"] or row["other"]
        if row["other"] and (row["other_split"], row["other_label"]) != (row["split"], row["label"]):
            other += f" ({row['other_split']}: {row['other_label']})"
        table.add_row(row["kind"], f"{row['score']:.3f}", Text(row["path"]), Text(row["label"]), Text(other))
    if found.findings:
        stdout.print(table)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in found.counts().items())
    stdout.print(f"{len(found.names):,} images: {counted}, {len(found.unreadable):,} unreadable")
    if found.accuracy is not None:
        stdout.print(f"{found.accuracy:.2%} of the labels are predicted by heads that have not seen the image")
