"""A training as each of its processes runs it: from the arguments of `finetune` to the report."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from birdnet_cli.core.data import EvaluationBatches, ImageDataset, TrainingBatches, open_dataset
from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.provenance import software_versions
from birdnet_cli.core.recipe import AugmentSettings, FinetuneSettings
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import TrainingCounters
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.loop.activation_checkpointing import recompute_activations
from birdnet_cli.core.training.loop.determinism import deterministic_algorithms
from birdnet_cli.core.training.loop.trainer import Trainer
from birdnet_cli.core.training.precision import resolve_training_precision
from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingProgress
from birdnet_cli.core.training.run_folder.checkpoint import unpack
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint, load_checkpoint, prune_checkpoints
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.run_folder.session_facts import environment_facts, opening_line
from birdnet_cli.core.training.run_folder.writer import RunWriter
from birdnet_cli.core.training.setup.build import build_classifier, rebuild_classifier
from birdnet_cli.core.training.setup.holdout import ImageSplit, require_same_data, split_images
from birdnet_cli.core.training.setup.initial_fits import fit_confidence, fit_reduction
from birdnet_cli.core.training.setup.trained_parts import TrainedParts, create_trained_parts
from birdnet_cli.core.training.signals import InterruptHandler

__all__ = ["FinetuneReport", "TrainingJob", "run_training"]


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of `finetune`, the same in every process; the settings are completed by `setup.settings`."""

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
    """The outcome of a training.

    Attributes:
        output: the run directory.
        model: the model file to use: `best.safetensors` if there were validation images, else `last.safetensors`.
        steps: number of updates, those of earlier sessions included.
        best_epoch: epoch of the best validation, from 1; 0 without validation images.
        best_top1: top-1 of the best validation, in 0..1.
        failures: `name: reason` of each image that could not be read.
        seconds: wall time of this session.
        rank: rank of the process that returned the report.
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
        """Return a line for the user."""
        best = f"; best validation top-1 {self.best_top1:.2%} in epoch {self.best_epoch}" if self.best_epoch else ""
        return f"{self.model}: {self.steps:,} updates{best}; {self.seconds:.1f} s"


def run_training(job: TrainingJob, processes: Processes, progress: TrainingProgress) -> FinetuneReport:
    """Train in one of the processes that train together.

    Args:
        job: data, run directory and settings.
        processes: this process and the others.
        progress: progress of rank 0.

    Raises:
        FbnError: as `core.engine.finetune.finetune`.
    """
    started = time.monotonic()
    progress = progress if processes.writes else SilentTrainingProgress()
    run = RunDirectory.open(job.output, resume=job.resume, overwrite=job.overwrite) if processes.writes else None
    try:
        # The others begin only after rank 0 has opened the run directory, or not at all.
        processes.barrier()
        counters = _train(job, run, processes, progress)
    finally:
        if run is not None:
            run.close()
    name = "best" if counters.best_epoch else "last"
    return FinetuneReport(
        output=job.output,
        model=job.output / f"{name}.safetensors",
        steps=counters.step,
        best_epoch=counters.best_epoch,
        best_top1=counters.best_top1,
        failures=tuple(counters.failed),
        seconds=time.monotonic() - started,
        rank=processes.rank,
    )


def _train(
    job: TrainingJob, run: RunDirectory | None, processes: Processes, progress: TrainingProgress
) -> TrainingCounters:
    settings = job.settings
    dataset = open_dataset(job.data, format=job.data_format, bbox=job.bbox)
    images = _select_images(dataset, job)
    fingerprint = images.fingerprint(dataset.classes)
    dtype = resolve_training_precision(settings.precision, processes.device)
    checkpoint, notices = load_checkpoint(job.output / "checkpoints") if job.resume else (None, [])
    if checkpoint is not None:
        require_same_data(checkpoint.document["facts"], data=fingerprint, owner=job.output)
    with deterministic_algorithms(settings.deterministic), InterruptHandler() as interrupts:
        context = TrainingContext(settings, processes, progress, interrupts)
        parts, counters = _build(dataset.classes, images, checkpoint, context, dtype=dtype)
        if run is not None:
            if job.resume:
                prune_checkpoints(run.checkpoints)
            else:
                run.begin(settings, data=str(job.data))
            run.write_environment(environment_facts(processes, dtype))
            for line in [*notices, opening_line(images, settings, processes, dtype=dtype, checkpoint=checkpoint)]:
                run.log(line)
                progress.note(line)
        train, val = _create_batches(images, context)
        writer = RunWriter(
            run,
            parts,
            context,
            counters=counters,
            facts={"data": fingerprint, "world_size": processes.world_size},
            provenance={"software": software_versions(), "data": fingerprint, "precision": dtype_name(dtype)},
        )
        Trainer(context, parts, train=train, val=val, writer=writer, counters=counters, on_error=job.on_error).run()
        return counters


def _select_images(dataset: ImageDataset, job: TrainingJob) -> ImageSplit:
    if len(dataset.classes) < 2:
        raise DataError(
            f"{job.data}: a classifier needs images of two or more classes, found the class {dataset.classes[0]} only"
        )
    images = split_images(dataset, job.settings)
    if job.settings.patience is not None and not images.val:
        raise UsageError("finetune.patience needs validation images: set finetune.val_fraction above 0")
    return images


def _build(
    classes: tuple[str, ...],
    images: ImageSplit,
    checkpoint: Checkpoint | None,
    context: TrainingContext,
    *,
    dtype: torch.dtype,
) -> tuple[TrainedParts, TrainingCounters]:
    """Build the classifier and its optimiser as they are at the beginning of the session."""
    settings, device = context.settings, context.processes.device
    if checkpoint is not None:
        description = ModelDescription.from_json(checkpoint.document["description"])
        classifier = rebuild_classifier(description, dtype=dtype)
    else:
        classifier, description = build_classifier(settings, classes, dtype=dtype, progress=context.progress)
    classifier = classifier.to(device)
    if not settings.channels_last:
        classifier = classifier.to(memory_format=torch.contiguous_format)
    if checkpoint is None:
        fit_reduction(classifier, images.train, context)
        if settings.init_from is not None and settings.init_head:
            fit_confidence(classifier, images.train, context)
    if settings.checkpoint_activations:
        classifier.run_backbone = recompute_activations(classifier.backbone)
    parts = create_trained_parts(classifier, description, settings=settings, device=device)
    if checkpoint is not None:
        return parts, unpack(checkpoint, parts)
    return parts, TrainingCounters(accumulate=settings.accumulate)


def _create_batches(images: ImageSplit, context: TrainingContext) -> tuple[TrainingBatches, EvaluationBatches | None]:
    settings, processes = context.settings, context.processes
    augment = AugmentSettings.model_validate({key: getattr(settings, key) for key in AugmentSettings.model_fields})
    train = TrainingBatches(
        images.train, transform=augment, batch_size=settings.batch_size, seed=settings.seed, workers=settings.workers,
        rank=processes.rank, world_size=processes.world_size,
    )  # fmt: skip
    if not images.val:
        return train, None
    val = EvaluationBatches(
        images.val, transform=settings, batch_size=settings.batch_size, workers=settings.workers,
        rank=processes.rank, world_size=processes.world_size,
    )  # fmt: skip
    return train, val
