"""Measurements of a training between updates: speed, time left, memory; and the rows and lines that report them."""

import resource
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import TrainingCounters, Validation
from birdnet_cli.core.training.progress import TrainingStatus
from birdnet_cli.core.training.run_folder.metrics_csv import MetricsRow
from birdnet_cli.core.training.setup.optimizer import backbone_rate

__all__ = ["Meters", "SpeedMeter", "epoch_line", "peak_memory"]

# Updates that the speed on the display is measured over.
WINDOW = 20


class Meters:
    """Measures the updates of a session and puts them into rows of the metrics and into the status.

    Args:
        settings: rates and number of epochs.
        steps_per_epoch: updates per epoch.
        device: device whose memory is measured.

    Attributes:
        speed: speed of updates and validations.
        total: number of updates of the whole training.
    """

    def __init__(self, settings: FinetuneSettings, *, steps_per_epoch: int, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.total = settings.epochs * steps_per_epoch
        self.speed = SpeedMeter(steps_per_epoch=steps_per_epoch, total=self.total)

    def row(self, counters: TrainingCounters, *, epoch: int, validation: Validation | None) -> MetricsRow:
        """Return the row of the metrics for the updates since the last row."""
        return MetricsRow(
            epoch=epoch,
            step=counters.step,
            lr=self.settings.lr * counters.rate_factor,
            backbone_lr=backbone_rate(self.settings) * counters.rate_factor,
            loss=counters.interval.loss(),
            top1=counters.interval.top1(),
            grad_norm=counters.grad_norm,
            skipped=counters.skipped,
            images_per_second=round(self.speed.interval(), 2),
            memory_mb=round(peak_memory(self.device) / 1e6, 1),
            val_loss=validation.loss if validation else None,
            val_top1=validation.top1 if validation else None,
            val_top5=validation.top5 if validation else None,
        )

    def status(self, counters: TrainingCounters, *, epoch: int, logged: bool) -> TrainingStatus:
        """Return the status after an update."""
        return TrainingStatus(
            epoch=epoch,
            epochs=self.settings.epochs,
            step=counters.step,
            steps=self.total,
            loss=counters.interval.loss(),
            lr=self.settings.lr * counters.rate_factor,
            images_per_second=self.speed.recent(),
            seconds_left=self.speed.seconds_left(counters.step),
            memory=peak_memory(self.device),
            logged=logged,
        )


def epoch_line(counters: TrainingCounters, row: MetricsRow, *, epochs: int) -> str:
    """Return the line that sums up an epoch.

    Args:
        counters: counters at the end of the epoch.
        row: the last row of the epoch's metrics.
        epochs: number of epochs of the training.
    """
    top1 = counters.epoch.top1()
    parts = [f"epoch {row.epoch} of {epochs}: loss {counters.epoch.loss():.4f}"]
    parts += [f"top-1 {top1:.2%}"] if top1 is not None else []
    if row.val_top1 is not None:
        best = " (best so far)" if counters.best_epoch == row.epoch else ""
        parts.append(f"validation loss {row.val_loss:.4f}, top-1 {row.val_top1:.2%}{best}")
    return ", ".join([*parts, f"{row.images_per_second:.1f} images/s, {row.memory_mb / 1e3:.2f} GB"])


def peak_memory(device: torch.device) -> int:
    """Return the peak memory so far in bytes: of the GPU if `device` is a GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class SpeedMeter:
    """Measures the speed of this session's updates and validations.

    Args:
        steps_per_epoch: updates per epoch.
        total: number of updates of the whole training.
    """

    def __init__(self, *, steps_per_epoch: int, total: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.total = total
        self.validation_seconds = 0.0
        # Time of each update and number of its images; the first entry is the start.
        self._updates: deque[tuple[float, int]] = deque(maxlen=WINDOW + 1)
        # Start of the interval and images since.
        self._interval = (time.monotonic(), 0)

    def start_epoch(self) -> None:
        """Begin to measure; the time before an epoch is no part of its updates."""
        self._updates.clear()
        self._updates.append((time.monotonic(), 0))
        self._interval = (time.monotonic(), 0)

    def count_update(self, images: int) -> None:
        """Count an update of `images` images that ends now."""
        self._updates.append((time.monotonic(), images))
        started, counted = self._interval
        self._interval = (started, counted + images)

    @contextmanager
    def validation(self) -> Iterator[None]:
        """Count the time of the block as a validation, not as part of the interval."""
        started = time.monotonic()
        yield
        self.validation_seconds = time.monotonic() - started
        since, counted = self._interval
        self._interval = (since + self.validation_seconds, counted)

    def recent(self) -> float:
        """Return images per second of the last updates."""
        seconds = self._updates[-1][0] - self._updates[0][0]
        return sum(images for _, images in list(self._updates)[1:]) / seconds if seconds > 0 else 0.0

    def interval(self) -> float:
        """Return images per second since the last call, or since the epoch's start if it came later."""
        now = time.monotonic()
        started, counted = self._interval
        self._interval = (now, 0)
        return counted / (now - started) if now > started else 0.0

    def seconds_left(self, step: int) -> float:
        """Estimate the seconds of all updates and validations after update `step`."""
        updates = len(self._updates) - 1
        per_update = (self._updates[-1][0] - self._updates[0][0]) / updates if updates else 0.0
        validations = -(-(self.total - step) // self.steps_per_epoch)
        return (self.total - step) * per_update + validations * self.validation_seconds
