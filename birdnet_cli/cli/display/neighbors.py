"""What `fbn neighbors` prints."""

from typing import TYPE_CHECKING

from rich.text import Text

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.engine.neighbors import Neighborhood

__all__ = ["print_neighbors"]


def print_neighbors(found: "Neighborhood") -> None:
    """Show the neighbours of an image by falling similarity."""
    stdout.print(Text(found.path, style="bold"))
    if found.error is not None:
        stdout.print(Text(f"error: {found.error}\n"))
        return
    for path in found.same:
        stdout.print(Text(f"the same file as {path}"))
    table = create_table("similarity", "class", "image")
    for neighbor in found.neighbors:
        table.add_row(f"{neighbor.similarity:.3f}", Text(neighbor.label), Text(neighbor.path))
    stdout.print(table)
    stdout.print()
