"""What a training writes into its folder as it goes: metrics, events, checkpoints, models; rank 0 alone writes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import Figures, TrainingState
from birdnet_cli.core.training.run_folder.checkpoint import TrainedParts, pack
from birdnet_cli.core.training.run_folder.checkpoint_file import save_checkpoint
from birdnet_cli.core.training.run_folder.metrics_csv import MetricsFile, MetricsRow
from birdnet_cli.core.training.run_folder.model_export import write_classifier
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.run_folder.tensorboard import open_events

__all__ = ["Records"]


class Records:
    """Writes for one training.

    Args:
        run: the folder; None in processes that do not write.
        parts: what checkpoints and models are made of.
        settings: of the training.
        state: how far the training has come when this session begins.
        facts: what a resuming session must agree with; part of every checkpoint.
        provenance: software, data, precision; part of every model.
    """

    def __init__(
        self,
        run: RunDirectory | None,
        parts: TrainedParts,
        *,
        settings: FinetuneSettings,
        state: TrainingState,
        facts: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        self.run = run
        self.parts = parts
        self.settings = settings
        self.facts = facts
        self.provenance = provenance
        self._saved: tuple[int, int] | None = None
        if run is not None:
            self._metrics = MetricsFile(run.path / "metrics.csv", step=state.logged)
            self._events = open_events(settings.track, run.path / "events", step=state.logged)

    def row(self, row: MetricsRow) -> None:
        """Add a row to the metrics."""
        if self.run is not None:
            self._metrics.add(row)
            self._events(asdict(row))

    def checkpoint(self, state: TrainingState) -> None:
        """Save a checkpoint, unless this session has saved the same one."""
        if self.run is not None and self._saved != (state.step, state.validated):
            save_checkpoint(self.run.checkpoints, pack(self.parts, state, self.facts))
            self._saved = (state.step, state.validated)

    def model(self, name: str, *, state: TrainingState, figures: Figures | None) -> None:
        """Write `last` or `best`, with the parameters as they are now."""
        if self.run is None:
            return
        validation = asdict(figures) if figures is not None else None
        write_classifier(
            self.run.path / f"{name}.safetensors",
            self.parts.assembled,
            facts={
                "finetune": self.settings.model_dump(mode="json"),
                "step": state.step,
                "validation": validation,
            },
            provenance=self.provenance,
            temperature=figures.temperature if figures is not None else 1.0,
        )

    def log(self, text: str) -> None:
        """Add a line to the log."""
        if self.run is not None:
            self.run.log(text)
