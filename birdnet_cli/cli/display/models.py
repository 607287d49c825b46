"""What `fbn models ls` prints."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.model.library import ModelEntry

__all__ = ["print_models"]


def print_models(entries: Iterable["ModelEntry"]) -> None:
    """Show a line per model file."""
    table = create_table("model", "classes", "backbone", "descriptor", "head", "size")
    for entry in entries:
        about = entry.description
        table.add_row(
            str(entry.path),
            str(len(about.classes)),
            f"{about.backbone['backbone']} {about.backbone['layer']}",
            entry.descriptor,
            str(about.head["head"]),
            f"{entry.size / 1e6:.1f} MB",
        )
    stdout.print(table)
