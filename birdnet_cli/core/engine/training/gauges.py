"""What is shown and recorded of a training between updates: rates, memory, losses."""

import resource
import sys

import torch

from birdnet_cli.core.engine.training.metrics_file import MetricsRow
from birdnet_cli.core.engine.training.optimizer import backbone_rate
from birdnet_cli.core.engine.training.pace import Pace
from birdnet_cli.core.engine.training.state import TrainingState
from birdnet_cli.core.engine.training.validation import Figures
from birdnet_cli.core.engine.training.watch import Moment
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["Gauges", "epoch_line", "peak_memory"]


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

    def moment(self, state: TrainingState, *, epoch: int, logged: bool) -> Moment:
        """Return what is shown after an update."""
        return Moment(
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
