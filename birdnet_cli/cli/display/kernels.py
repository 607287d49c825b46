"""What `fbn kernels status` prints."""

from typing import TYPE_CHECKING

from rich.text import Text

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.ops.kernel_builds import KernelReport

__all__ = ["print_kernels"]


def print_kernels(report: "KernelReport") -> None:
    """Show the tools and libraries found, and which implementation of every op runs on which device."""
    libraries = {f"{device} library": path for device, path in report.libraries.items()}
    for name, found in {"FBN_OPS": report.mode, "built kernels": report.store, **report.tools, **libraries}.items():
        stdout.print(Text(f"{name}: {found}"), soft_wrap=True)
    table = create_table("op", "device", "runs", "why", "what to do")
    for status in report.ops:
        table.add_row(*map(Text, (f"fbn::{status.op}", status.device, status.runs, status.why, status.remedy)))
    stdout.print(table)
