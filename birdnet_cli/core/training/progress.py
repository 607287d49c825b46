"""The progress of a training as its caller may follow it: `core.progress` and the status after each update."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["SilentTrainingProgress", "TrainingProgress", "TrainingStatus"]


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """The status of a training after one update.

    Attributes:
        epoch, epochs: number of the current epoch, from 1, and number of epochs.
        step, steps: number of updates done, and of all updates of the training.
        loss: mean over the images since the last row of the metrics.
        lr: learning rate of the head.
        images_per_second: rate of the last 20 updates.
        seconds_left: estimated time of all updates and validations to come.
        memory: peak so far in bytes, of the GPU if the training runs on a GPU, else of the process.
        logged: whether a row of the metrics ends with this update.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    lr: float
    images_per_second: float
    seconds_left: float
    memory: int
    logged: bool


class TrainingProgress(Progress, Protocol):
    """Progress of a training; a caller of `finetune` may implement it."""

    def training(self, *, start: int, total: int) -> AbstractContextManager[Callable[[TrainingStatus], None]]:
        """Show a training from update `start` of `total` until the block ends.

        The context's value is a function that is called with the status after each update.
        """
        ...


class SilentTrainingProgress(SilentProgress):
    """Shows nothing; the default of the Python API."""

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[TrainingStatus], None]]:  # noqa: ARG002
        """Return a function that ignores the status."""
        yield lambda _status: None
