"""How a training tells whoever started it how far it has come; see `core.progress`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["Moment", "SilentTrainingProgress", "TrainingProgress"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A training after one update.

    Attributes:
        epoch, epochs: from 1.
        step, steps: updates done, of all.
        loss: mean over the current interval's images.
        lr: rate of the head.
        images_per_second: of the last updates.
        seconds_left: estimate for all updates and validations to come.
        memory: bytes, peak of the GPU where there is one, else of the process.
        logged: this update ends an interval.
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
    """What a caller of `finetune` may implement to follow it."""

    def training(self, *, start: int, total: int) -> AbstractContextManager[Callable[[Moment], None]]:
        """Open the display of a training from update `start` of `total`; the value is called after each update."""
        ...


class SilentTrainingProgress(SilentProgress):
    """Follows nothing; the default of the Python API."""

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[Moment], None]]:  # noqa: ARG002
        """Open a display that nobody watches."""
        yield lambda _moment: None
