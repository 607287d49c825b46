"""The processes of one training: this one's rank and device, and what they tell each other between updates."""

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
    """One process among all that train together; alone, every exchange is with itself.

    Attributes:
        device: of this process.
        rank: 0 to world_size - 1; rank 0 writes all files.
        world_size: number of processes.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return each value's float64 sum over all processes."""
        if self.world_size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, rank after rank: CPU Tensor[n, ...] -> Tensor[sum n, ...]."""
        if self.world_size == 1:
            return rows
        mine = [len(rows) if rank == self.rank else 0 for rank in range(self.world_size)]
        counts = [int(count) for count in self.sum(mine)]
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def gather_texts(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of all processes."""
        if self.world_size == 1:
            return list(texts)
        everyone: list[list[str]] = [[] for _ in range(self.world_size)]
        dist.all_gather_object(everyone, list(texts))
        return [text for part in everyone for text in part]

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give every process rank 0's values of `tensors`."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.sum([0.0])


def wrap_distributed(module: nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return the module with gradients that are means over all processes, and with rank 0's parameters.

    Buffers stay each process's own: BatchNorm normalises by the images of its device alone, as the FBN authors' did.
    """
    options: dict[str, Any] = {"device_ids": [device.index] if device.type == "cuda" else None}
    # torch 2.14 renames the option.
    parameters = inspect.signature(DistributedDataParallel).parameters
    options["forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers"] = False
    return DistributedDataParallel(module, **options)


def is_under_launcher() -> bool:
    """Return True if torchrun, or another launcher of its kind, started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def join_process_group(device: str) -> Iterator[Processes]:
    """Join the process group that the launcher's environment describes; without one, be alone.

    Tensors on a GPU go through NCCL, all others through gloo.

    Args:
        device: `auto`, `cpu`, `cuda` or, alone, `cuda:N`; under a launcher `cuda` means the GPU of the local rank.

    Raises:
        UsageError: no such device, or one GPU for several processes.
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
    # Not after an error: leaving the group would wait for processes that wait for this one.
    dist.destroy_process_group()
