"""Progress of a training on stderr: a live bar with rate, time left and memory, or a line per logged update."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from birdnet_cli.cli.display.console import ConsoleProgress, stderr
from birdnet_cli.core.training.progress import TrainingStatus

__all__ = ["TrainingDisplay"]


class TrainingDisplay(ConsoleProgress):
    """Shows the progress of `finetune`; each process of a training gets a copy."""

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[TrainingStatus], None]]:
        """Show a training from update `start` of `total` until the block ends."""
        if self.quiet:
            yield lambda _moment: None
        elif stderr.is_terminal:
            with _bar() as bar:
                task = bar.add_task("", total=total, completed=start, text="")
                yield lambda moment: bar.update(
                    task, completed=moment.step, description=_epoch(moment), text=_figures(moment)
                )
        else:
            yield _print_line


def _print_line(moment: TrainingStatus) -> None:
    if moment.logged:
        line = f"{_epoch(moment)}, step {moment.step:,} of {moment.steps:,}: {_figures(moment)}"
        print(line, file=sys.stderr, flush=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        console=stderr,
    )


def _epoch(moment: TrainingStatus) -> str:
    return f"epoch {moment.epoch} of {moment.epochs}"


def _figures(moment: TrainingStatus) -> str:
    return (
        f"loss {moment.loss:.4f}, {moment.images_per_second:.1f} images/s, {_duration(moment.seconds_left)} left, "
        f"{moment.memory / 1e9:.2f} GB, lr {moment.lr:.3g}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
