"""Facts about a session of a training: its first line in the log, and its entry in `env.json`."""

import time
from typing import Any

import torch

from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.provenance import software_versions
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint
from birdnet_cli.core.training.setup.holdout import ImageSplit

__all__ = ["environment_facts", "opening_line"]


def opening_line(
    images: ImageSplit,
    settings: FinetuneSettings,
    processes: Processes,
    *,
    dtype: torch.dtype,
    checkpoint: Checkpoint | None,
) -> str:
    """Return the first line of a session: numbers of images, device, precision, and where the session begins.

    Args:
        images: the training and validation images.
        settings: `batch_size`.
        processes: the processes that train together.
        dtype: dtype that the backbone computes in.
        checkpoint: the checkpoint that the session resumes, or None.
    """
    origin = "held out of them" if images.held_out else "of the data set"
    val = f"{len(images.val):,} validation images {origin}" if images.val else "no validation images"
    text = (
        f"{len(images.train):,} training images, {val}; {settings.batch_size} per update on {processes.device} in "
        f"{dtype_name(dtype)}, {processes.world_size} process{'es' if processes.world_size > 1 else ''}"
    )
    if checkpoint is None:
        return text
    text += f"; going on after step {checkpoint.step}"
    before = checkpoint.document["facts"]["world_size"]
    if before != processes.world_size:
        text += f" of {before} processes: the same images in the same order, but other roundings"
    return text


def environment_facts(processes: Processes, dtype: torch.dtype) -> dict[str, Any]:
    """Return the entry of this session in `env.json`: time, software, device, threads, processes, precision."""
    device = processes.device
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "software": software_versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "processes": processes.world_size,
        "precision": dtype_name(dtype),
    }
