"""Images -> a run directory with a model file: train a whole network, on one device or on many."""

import os
from pathlib import Path
from typing import Literal

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.distributed import is_under_launcher, join_process_group
from birdnet_cli.core.training.launch import launch
from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingProgress
from birdnet_cli.core.training.run import FinetuneReport, TrainingJob, run_training
from birdnet_cli.core.training.setup.settings import complete_settings

__all__ = ["FinetuneReport", "finetune"]


def finetune(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    settings: FinetuneSettings | None = None,
    data_format: str = "auto",
    bbox: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    on_error: Literal["fail", "skip"] = "fail",
    nproc: int = 1,
    progress: TrainingProgress | None = None,
) -> FinetuneReport:
    """Train a network end to end on a data set's training split.

    The test split is never looked at: what decides on the best epoch, or on stopping early, is the data set's own
    validation split, or images held out of the training split. An interrupted run goes on exactly where its last
    checkpoint left it, on the CPU bit for bit.

    Args:
        data: a data set of images.
        output: the run directory; see `core.training.run_folder.run_directory`.
        settings: everything that decides what is learned.
        data_format: a name of `core.data.list_formats`, or `auto`.
        bbox: crop to the data set's bounding boxes.
        resume: continue the run in `output`, with its settings and its data.
        overwrite: replace the run in `output`.
        on_error: at a training image that cannot be read, stop, or leave it out and list it.
        nproc: processes of this machine that train together, one per GPU. Under an outer `torchrun` each process calls
            this function, and `nproc` stays 1.
        progress: follows the work; with several processes it must be picklable.

    Raises:
        UsageError: settings that contradict each other, or a folder that may not be written.
        CheckpointError: nothing to resume from, or the run is one of other settings or other data.
        DataError: no training images, or one cannot be read.
        NumericsError: losses stopped being finite.
        TrainingInterruptedError: SIGINT or SIGTERM came; the training is saved.
        FbnError: one of several processes died, or memory does not suffice.
    """
    progress = progress or SilentTrainingProgress()
    if nproc < 1:
        raise UsageError(f"expected 1 or more processes, got {nproc}")
    if nproc > 1 and is_under_launcher():
        raise UsageError("--nproc starts processes by itself: leave it out under torchrun, which has started some")
    job = TrainingJob(
        data=Path(data),
        output=Path(output),
        settings=complete_settings(settings or FinetuneSettings(), output=Path(output), resume=resume),
        data_format=data_format,
        bbox=bbox,
        resume=resume,
        overwrite=overwrite,
        on_error=on_error,
    )
    if nproc > 1:
        return launch(job, nproc=nproc, progress=progress)
    with join_process_group(job.settings.device) as processes:
        return run_training(job, processes, progress)
