"""How fast a training goes, and how long it will take."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Pace"]

WINDOW = 20


class Pace:
    """Rates of this session's updates and validations.

    Args:
        steps_per_epoch: updates of an epoch.
        total: updates of the whole training.
    """

    def __init__(self, *, steps_per_epoch: int, total: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.total = total
        self.validation_seconds = 0.0
        self._ticks: deque[tuple[float, int]] = deque(maxlen=WINDOW + 1)
        self._interval = (time.monotonic(), 0)

    def start(self) -> None:
        """Begin an epoch: what came before was no update."""
        self._ticks.clear()
        self._ticks.append((time.monotonic(), 0))
        self._interval = (time.monotonic(), 0)

    def tick(self, images: int) -> None:
        """Count an update."""
        self._ticks.append((time.monotonic(), images))
        started, counted = self._interval
        self._interval = (started, counted + images)

    @contextmanager
    def validation(self) -> Iterator[None]:
        """Count the block's time as that of a validation."""
        started = time.monotonic()
        yield
        self.validation_seconds = time.monotonic() - started
        since, counted = self._interval
        self._interval = (since + self.validation_seconds, counted)

    def recent(self) -> float:
        """Return images per second of the last updates."""
        seconds = self._ticks[-1][0] - self._ticks[0][0]
        return sum(images for _, images in list(self._ticks)[1:]) / seconds if seconds > 0 else 0.0

    def interval(self) -> float:
        """Return images per second since the last call or the epoch's start."""
        now = time.monotonic()
        started, counted = self._interval
        self._interval = (now, 0)
        return counted / (now - started) if now > started else 0.0

    def seconds_left(self, step: int) -> float:
        """Estimate the time of the updates and validations after update `step`."""
        updates = len(self._ticks) - 1
        per_update = (self._ticks[-1][0] - self._ticks[0][0]) / updates if updates else 0.0
        validations = -(-(self.total - step) // self.steps_per_epoch)
        return (self.total - step) * per_update + validations * self.validation_seconds
