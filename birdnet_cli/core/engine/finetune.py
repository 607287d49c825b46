"""Images -> a run directory with a model file: train a whole network, on one or several devices."""

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

    The test split is not used: the best epoch, and an early stop, are decided by the data set's own validation split,
    or by images held out of the training split. A resumed run continues exactly from its last checkpoint, on the CPU
    with the same bits as an uninterrupted run.

    Args:
        data: a data set of images.
        output: the run directory; see `core.training.run_folder.run_directory`.
        settings: settings of the training; the defaults if None.
        data_format: a name of `core.data.list_formats`, or `auto`.
        bbox: whether to crop to the data set's bounding boxes.
        resume: whether to continue the run in `output`, with its settings and its data.
        overwrite: whether to replace the run in `output`.
        on_error: `fail` to stop at a training image that cannot be read, `skip` to leave it out and list it.
        nproc: number of processes of this machine that train together, 1 or more; a GPU each. Under `torchrun` each
            process calls this function, and `nproc` stays 1.
        progress: gets the progress; must be picklable if `nproc` is above 1.

    Returns:
        The model file to use, the best validation, and the images that could not be read.

    Raises:
        UsageError: settings contradict each other, or the folder holds a run or other files.
        CheckpointError: there is no checkpoint to resume from, or the run has other settings or other data.
        DataError: there are no training images, or an image cannot be read.
        NumericsError: loss or gradient of three batches in a row was not finite.
        TrainingInterruptedError: SIGINT or SIGTERM came; the training is saved.
        FbnError: a process died, or the GPU's memory does not suffice.
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
