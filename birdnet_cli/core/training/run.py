"""One training as a process runs it: from the command's arguments to the report."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from birdnet_cli.core.data import EvaluationBatches, ImageDataset, TrainingBatches, open_dataset
from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.provenance import software_versions
from birdnet_cli.core.recipe import AugmentSettings, FinetuneSettings
from birdnet_cli.core.training.counters import TrainingState
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.loop.activation_checkpointing import recompute_activations
from birdnet_cli.core.training.loop.determinism import reproducible
from birdnet_cli.core.training.loop.trainer import Trainer
from birdnet_cli.core.training.loop.update import Updater
from birdnet_cli.core.training.precision import create_scaler, resolve_training_precision
from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingProgress
from birdnet_cli.core.training.run_folder.checkpoint import TrainedParts, unpack
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint, load_checkpoint, prune_checkpoints
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.run_folder.session_facts import environment_facts, opening_line
from birdnet_cli.core.training.run_folder.writer import Records
from birdnet_cli.core.training.setup.build import Assembled, assemble, rebuild
from birdnet_cli.core.training.setup.ema import MovingAverage
from birdnet_cli.core.training.setup.holdout import Division, divide, require_same_data
from birdnet_cli.core.training.setup.initial_fits import fit_confidence, fit_reduction
from birdnet_cli.core.training.setup.optimizer import create_optimizer
from birdnet_cli.core.training.signals import InterruptHandler

__all__ = ["FinetuneReport", "Job", "run_job"]


@dataclass(frozen=True)
class Job:
    """The arguments of `finetune`, as every process of a training gets them; the settings are settled."""

    data: Path
    output: Path
    settings: FinetuneSettings
    data_format: str
    bbox: bool
    resume: bool
    overwrite: bool
    on_error: Literal["fail", "skip"]


@dataclass(frozen=True)
class FinetuneReport:
    """What a training left.

    Attributes:
        output: the run directory.
        model: the model file to use: `best.safetensors` where there were validation images, else `last.safetensors`.
        steps: updates, those of earlier sessions included.
        best_epoch: of the best validation, from 1; 0 without validation images.
        best_top1: its top-1.
        failures: `name: reason` of every training image that could not be read.
        seconds: wall time of this session.
        rank: of the process that returned it; 0 speaks for all.
    """

    output: Path
    model: Path
    steps: int
    best_epoch: int
    best_top1: float
    failures: tuple[str, ...]
    seconds: float
    rank: int = 0

    def summary(self) -> str:
        """Return one line for people."""
        best = f"; best validation top-1 {self.best_top1:.2%} in epoch {self.best_epoch}" if self.best_epoch else ""
        return f"{self.model}: {self.steps:,} updates{best}; {self.seconds:.1f} s"


def run_job(job: Job, processes: Processes, progress: TrainingProgress) -> FinetuneReport:
    """Train, as one of the processes that train together.

    Args:
        job: what to do.
        processes: this one's place among them.
        progress: follows rank 0.

    Raises:
        FbnError: as `core.engine.finetune.finetune`.
    """
    started = time.monotonic()
    progress = progress if processes.writes else SilentTrainingProgress()
    run = RunDirectory.open(job.output, resume=job.resume, overwrite=job.overwrite) if processes.writes else None
    try:
        # Rank 0 has the folder, or has given up, before the others do any work.
        processes.barrier()
        state = _train(job, run, processes, progress)
    finally:
        if run is not None:
            run.close()
    name = "best" if state.best_epoch else "last"
    return FinetuneReport(
        output=job.output,
        model=job.output / f"{name}.safetensors",
        steps=state.step,
        best_epoch=state.best_epoch,
        best_top1=state.best_top1,
        failures=tuple(state.failed),
        seconds=time.monotonic() - started,
        rank=processes.rank,
    )


def _train(job: Job, run: RunDirectory | None, processes: Processes, progress: TrainingProgress) -> TrainingState:
    dataset = open_dataset(job.data, format=job.data_format, bbox=job.bbox)
    if len(dataset.classes) < 2:
        raise DataError(f"{job.data}: a classifier tells classes apart, and there is one alone: {dataset.classes[0]}")
    settings = job.settings
    division = divide(dataset, settings)
    if settings.patience is not None and not division.val:
        raise UsageError("finetune.patience needs validation images: set finetune.val_fraction above 0")
    fingerprint = division.fingerprint(dataset.classes)
    dtype = resolve_training_precision(settings.precision, processes.device)
    found = load_checkpoint(job.output / "checkpoints") if job.resume else None
    checkpoint, notices = found if found is not None else (None, [])
    if checkpoint is not None:
        require_same_data(checkpoint.document["facts"], data=fingerprint, owner=job.output)
    with reproducible(settings.deterministic), InterruptHandler() as interrupts:
        parts, state = _build(
            dataset, division, settings, checkpoint, dtype=dtype, processes=processes, progress=progress
        )
        if run is not None and not job.resume:
            run.begin(settings, data=str(job.data))
        if run is not None and job.resume:
            prune_checkpoints(job.output / "checkpoints")
        if run is not None:
            run.write_environment(environment_facts(processes, dtype))
            for line in [*notices, opening_line(division, settings, processes, dtype=dtype, checkpoint=checkpoint)]:
                run.log(line)
                progress.note(line)
        updater = Updater(
            parts.assembled.classifier, parts.optimizer, settings=settings, processes=processes, scaler=parts.scaler,
            num_classes=len(dataset.classes), accumulate=state.accumulate,
        )  # fmt: skip
        shared: dict[str, Any] = {
            "workers": settings.workers, "rank": processes.rank, "world_size": processes.world_size,
            "batch_size": settings.batch_size,
        }  # fmt: skip
        augment = AugmentSettings.model_validate({key: getattr(settings, key) for key in AugmentSettings.model_fields})
        trainer = Trainer(
            parts,
            updater,
            train=TrainingBatches(division.train, transform=augment, seed=settings.seed, **shared),
            val=EvaluationBatches(division.val, transform=settings, **shared) if division.val else None,
            settings=settings,
            processes=processes,
            records=Records(
                run,
                parts,
                settings=settings,
                state=state,
                facts={"data": fingerprint, "world_size": processes.world_size},
                provenance={"software": software_versions(), "data": fingerprint, "precision": dtype_name(dtype)},
            ),
            interrupts=interrupts,
            progress=progress,
            state=state,
            on_error=job.on_error,
        )
        trainer.run()
        return state


def _build(
    dataset: ImageDataset,
    division: Division,
    settings: FinetuneSettings,
    checkpoint: Checkpoint | None,
    *,
    dtype: torch.dtype,
    processes: Processes,
    progress: TrainingProgress,
) -> tuple[TrainedParts, TrainingState]:
    assembled: Assembled
    if checkpoint is not None:
        assembled = rebuild(ModelDescription.from_json(checkpoint.document["description"]), dtype=dtype)
    else:
        assembled = assemble(settings, dataset.classes, dtype=dtype, progress=progress)
    classifier = assembled.classifier.to(processes.device)
    if not settings.channels_last:
        classifier = classifier.to(memory_format=torch.contiguous_format)
    if checkpoint is None:
        fit_reduction(classifier, division.train, settings=settings, processes=processes, progress=progress)
        if settings.init_from is not None and settings.init_head:
            fit_confidence(classifier, division.train, settings=settings, processes=processes, progress=progress)
    if settings.checkpoint_activations:
        classifier.run_backbone = recompute_activations(classifier.backbone)
    head = list(classifier.head.parameters())
    optimizer = create_optimizer(settings, backbone=classifier.backbone_parameters(), head=head)
    average = MovingAverage(classifier, settings.ema_decay) if settings.ema_decay is not None else None
    parts = TrainedParts(assembled, optimizer, create_scaler(dtype, processes.device), average)
    return parts, unpack(checkpoint, parts) if checkpoint is not None else TrainingState(accumulate=settings.accumulate)
