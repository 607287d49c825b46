"""What is shown and recorded of a training between updates: rates, memory, losses."""

import resource
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import Figures, TrainingState
from birdnet_cli.core.training.progress import TrainingStatus
from birdnet_cli.core.training.run_folder.metrics_csv import MetricsRow
from birdnet_cli.core.training.setup.optimizer import backbone_rate

__all__ = ["Gauges", "Pace", "epoch_line", "peak_memory"]

WINDOW = 20


class Gauges:
    """Follows the updates of one session.

    Args:
        settings: rates and epochs.
        steps_per_epoch: updates of an epoch.
        device: whose memory is read.

    Attributes:
        pace: time per update and per validation.
        total: updates of the whole training.
    """

    def __init__(self, settings: FinetuneSettings, *, steps_per_epoch: int, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.total = settings.epochs * steps_per_epoch
        self.pace = Pace(steps_per_epoch=steps_per_epoch, total=self.total)

    def row(self, state: TrainingState, *, epoch: int, figures: Figures | None) -> MetricsRow:
        """Return the metrics of the interval that ends here."""
        return MetricsRow(
            epoch=epoch,
            step=state.step,
            lr=self.settings.lr * state.factor,
            backbone_lr=backbone_rate(self.settings) * state.factor,
            loss=state.interval.loss(),
            top1=state.interval.top1(),
            grad_norm=state.grad_norm,
            skipped=state.skipped,
            images_per_second=round(self.pace.interval(), 2),
            memory_mb=round(peak_memory(self.device) / 1e6, 1),
            val_loss=figures.loss if figures else None,
            val_top1=figures.top1 if figures else None,
            val_top5=figures.top5 if figures else None,
        )

    def moment(self, state: TrainingState, *, epoch: int, logged: bool) -> TrainingStatus:
        """Return what is shown after an update."""
        return TrainingStatus(
            epoch=epoch,
            epochs=self.settings.epochs,
            step=state.step,
            steps=self.total,
            loss=state.interval.loss(),
            lr=self.settings.lr * state.factor,
            images_per_second=self.pace.recent(),
            seconds_left=self.pace.seconds_left(state.step),
            memory=peak_memory(self.device),
            logged=logged,
        )


def epoch_line(state: TrainingState, row: MetricsRow, *, epochs: int) -> str:
    """Return the line that sums up an epoch."""
    top1 = state.epoch.top1()
    parts = [f"epoch {row.epoch} of {epochs}: loss {state.epoch.loss():.4f}"]
    parts += [f"top-1 {top1:.2%}"] if top1 is not None else []
    if row.val_top1 is not None:
        best = " (best so far)" if state.best_epoch == row.epoch else ""
        parts.append(f"validation loss {row.val_loss:.4f}, top-1 {row.val_top1:.2%}{best}")
    return ", ".join([*parts, f"{row.images_per_second:.1f} images/s, {row.memory_mb / 1e3:.2f} GB"])


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that were taken so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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
