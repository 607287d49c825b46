"""Writer of a run directory during a training: metrics, events, log, checkpoints, models."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import TrainingCounters, Validation
from birdnet_cli.core.training.run_folder.checkpoint import pack
from birdnet_cli.core.training.run_folder.checkpoint_file import save_checkpoint
from birdnet_cli.core.training.run_folder.metrics_csv import MetricsFile, MetricsRow
from birdnet_cli.core.training.run_folder.model_export import write_classifier
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.run_folder.tensorboard import open_events
from birdnet_cli.core.training.setup.trained_parts import TrainedParts

__all__ = ["RunWriter"]


class RunWriter:
    """Writes the files of one training in rank 0; in the other processes its methods write nothing.

    Args:
        run: the run directory; None in processes other than rank 0.
        parts: the objects that checkpoints and models are made of.
        context: settings, which models record, and the progress that gets notes.
        counters: counters at the beginning of the session; later rows of the metrics are removed.
        facts: facts that a resuming session must agree with; part of every checkpoint.
        provenance: software, data and precision; part of every model.
    """

    def __init__(
        self,
        run: RunDirectory | None,
        parts: TrainedParts,
        context: TrainingContext,
        *,
        counters: TrainingCounters,
        facts: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        self.run = run
        self.parts = parts
        self.context = context
        self.facts = facts
        self.provenance = provenance
        self._saved: tuple[int, int] | None = None
        if run is not None:
            self._metrics = MetricsFile(run.path / "metrics.csv", step=counters.logged)
            self._write_events = open_events(context.settings.track, run.path / "events", step=counters.logged)

    def write_row(self, row: MetricsRow) -> None:
        """Append a row to the metrics."""
        if self.run is not None:
            self._metrics.add(row)
            self._write_events(asdict(row))

    def save_checkpoint(self, counters: TrainingCounters) -> None:
        """Save a checkpoint, unless this session saved it before."""
        if self.run is not None and self._saved != (counters.step, counters.validated):
            save_checkpoint(self.run.checkpoints, pack(self.parts, counters, self.facts))
            self._saved = (counters.step, counters.validated)

    def write_model(
        self, name: Literal["last", "best"], *, counters: TrainingCounters, validation: Validation | None
    ) -> None:
        """Write a model file with the parameters as they are now.

        Args:
            name: name of the file, without its suffix.
            counters: counters of the training.
            validation: validation of these parameters, whose temperature the model takes; None if there is none.
        """
        if self.run is None:
            return
        write_classifier(
            self.run.path / f"{name}.safetensors",
            self.parts,
            facts={
                "finetune": self.context.settings.model_dump(mode="json"),
                "step": counters.step,
                "validation": asdict(validation) if validation is not None else None,
            },
            provenance=self.provenance,
            temperature=validation.temperature if validation is not None else 1.0,
        )

    def log(self, text: str) -> None:
        """Append a line to the log."""
        if self.run is not None:
            self.run.log(text)

    def note(self, text: str) -> None:
        """Append a line to the log and show it to the user."""
        self.log(text)
        self.context.progress.note(text)
