"""What `fbn demo` prints."""

from typing import TYPE_CHECKING

from rich.text import Text

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.demo.demo import DemoReport

__all__ = ["print_demo"]


def print_demo(report: "DemoReport") -> None:
    """Show the demo's accuracies and times, a prediction, the files it wrote and commands to try next."""
    table = create_table("pooling", "dimensions", "test top-1", "test top-5", "head solved in")
    for row in report.rows:
        shares = (f"{share:.1%}" for share in (row.evaluation.top1, row.evaluation.top5))
        table.add_row(row.pooling, f"{row.dim:,}", *shares, f"{row.seconds:.1f} s")
    stdout.print()
    stdout.print(table)
    measured = report.rows[0].evaluation
    stdout.print(
        f"{report.train_images} training and {measured.n} test images, {len(measured.per_class)} classes; "
        f"one pass over the backbone: {report.extract_seconds:.1f} s"
    )
    stdout.print(Text(f"\n{report.prediction.path} shows: {report.truth}"), soft_wrap=True)
    for guess in report.prediction.top:
        stdout.print(Text(f"  {guess.prob:7.2%}  {guess.label}"))
    stdout.print("\nIt left:")
    for name, purpose in report.files.items():
        stdout.print(Text(f"  {name}  {purpose}"), soft_wrap=True)
    stdout.print("\nTry next, with your own pictures in one folder per class:")
    for command in report.next_commands():
        stdout.print(Text(f"  {command}"), soft_wrap=True)
