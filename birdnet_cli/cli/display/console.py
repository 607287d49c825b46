"""The consoles of stdout and stderr, and progress on stderr with rate and time left."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBar
from rich.text import Text

from birdnet_cli.core.progress import Advance

__all__ = ["ConsoleProgress", "stderr", "stdout"]

# Columns of a pipe or a file, which have no width: wide enough that rows of tables are not wrapped.
PIPE_WIDTH = 200
SECONDS_BETWEEN_LINES = 2.0

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
stderr = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)


class ConsoleProgress:
    """Shows the engine's progress on stderr: a bar on a terminal, else a line per tenth of a long stage.

    Args:
        quiet: show notes, and no progress.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Show a stage of `total` units until the block ends."""
        if self.quiet:
            yield lambda _units: None
        elif stderr.is_terminal:
            with _bar() as bar:
                task = bar.add_task(title, total=total, unit=unit)
                yield lambda units: bar.advance(task, units)
        else:
            yield _TenthLines(title, total, unit).advance

    def note(self, text: str) -> None:
        """Print a line that the user should see."""
        stderr.print(Text(text), soft_wrap=True)


class _TenthLines:
    """Prints a line per tenth of a stage, at intervals of 2 s or more, and none for a short stage."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = self.shown = 0
        self.started = self.last = time.monotonic()

    def advance(self, units: int) -> None:
        self.done += units
        now = time.monotonic()
        tenth = 10 * self.done // max(1, self.total)
        if tenth == self.shown or now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.shown, self.last = tenth, now
        rate = self.done / (now - self.started)
        print(
            f"{self.title}: {self.done:,} of {self.total:,} {self.unit}, {rate:.1f} {self.unit}/s, "
            f"{(self.total - self.done) / rate:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} {task.fields['unit']}/s")


def _bar() -> RichBar:
    return RichBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=stderr,
    )
