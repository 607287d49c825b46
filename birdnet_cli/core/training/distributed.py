"""The processes that train together: rank and device of this process, and the exchanges between processes."""

import inspect
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from birdnet_cli.core.device import resolve_device
from birdnet_cli.core.errors import UsageError

__all__ = ["Processes", "is_under_launcher", "join_process_group", "wrap_distributed"]


@dataclass(frozen=True)
class Processes:
    """This process and the others that train with it; a process that trains alone exchanges nothing.

    Attributes:
        device: device of this process.
        rank: number of this process, in 0..world_size - 1; rank 0 writes all files.
        world_size: number of processes.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the files and reports to the user."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sum of each value over all processes, computed in float64."""
        if self.world_size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in the order of their ranks.

        Args:
            rows: CPU Tensor[n, ...] with n rows of this process; n may differ between processes and may be 0.

        Returns:
            Tensor[N, ...] with the N rows of all processes, the same in every process.
        """
        if self.world_size == 1:
            return rows
        own = [len(rows) if rank == self.rank else 0 for rank in range(self.world_size)]
        counts = [int(count) for count in self.sum(own)]
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def gather_texts(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of all processes in the order of their ranks."""
        if self.world_size == 1:
            return list(texts)
        gathered: list[list[str]] = [[] for _ in range(self.world_size)]
        dist.all_gather_object(gathered, list(texts))
        return [text for part in gathered for text in part]

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite the tensors of every process with those of rank 0."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        """Wait until every process has called this method."""
        self.sum([0.0])


def wrap_distributed(module: nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return the module with gradients averaged over all processes; its parameters become those of rank 0.

    Buffers are not shared: BatchNorm normalises by the images of its own process, as in the FBN authors' training.

    Args:
        module: module on `device`, of the same structure in every process.
        device: device of this process.
    """
    options: dict[str, Any] = {"device_ids": [device.index] if device.type == "cuda" else None}
    # torch 2.14 renamed the option.
    parameters = inspect.signature(DistributedDataParallel).parameters
    options["forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers"] = False
    return DistributedDataParallel(module, **options)


def is_under_launcher() -> bool:
    """Return whether torchrun, or a launcher that sets the same variables, started this process with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def join_process_group(device: str) -> Iterator[Processes]:
    """Join the processes that a launcher started; without a launcher, this process trains alone.

    Tensors on a GPU are exchanged through NCCL, all others through gloo.

    Args:
        device: `auto`, `cpu`, `cuda`, or `cuda:N` without a launcher; with a launcher `cuda` is the GPU whose number
            is the process's local rank.

    Raises:
        UsageError: there is no such device, or `cuda:N` names a single GPU for several processes.
    """
    if not is_under_launcher():
        yield Processes(resolve_device(device))
        return
    rank, world_size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    chosen = resolve_device(device)
    if chosen.type == "cuda":
        if chosen.index is not None:
            raise UsageError(f"device '{device}': {world_size} processes need a GPU each; use cuda or auto")
        chosen = resolve_device(f"cuda:{local}")
        torch.cuda.set_device(chosen)
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    yield Processes(chosen, rank, world_size)
    # Not after an error: destroying the group would wait for processes that wait for this process.
    dist.destroy_process_group()
