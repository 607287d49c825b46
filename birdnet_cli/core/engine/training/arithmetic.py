"""The arithmetic of a training: autocast, loss scaling for float16, and where random draws come from."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from birdnet_cli.core.backbones import resolve_precision

__all__ = ["autocast_to", "create_scaler", "draws_of", "reproducible", "resolve_training_precision"]


def resolve_training_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that convolutions and products are computed in; parameters stay float32.

    Args:
        name: `float16`, or a name of `core.backbones.resolve_precision`.
        device: where the training runs.
    """
    return torch.float16 if name == "float16" else resolve_precision(name, device)


def autocast_to(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass; for float32 it switches an outer autocast off."""
    enabled = dtype is not torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else torch.bfloat16, enabled=enabled)


def create_scaler(dtype: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler of the loss, which does nothing unless gradients are float16's, with their narrow range."""
    return torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)


@contextmanager
def draws_of(seed: int, *key: int, device: torch.device) -> Iterator[None]:
    """Let layers that draw from torch's global generators (dropout, stochastic depth) draw by (seed, *key) alone.

    The generators are given back as they were.

    Args:
        seed: of the training.
        key: what makes these draws different from others: step, forward pass, rank.
        device: where the layers run.
    """
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    number = int.from_bytes(digest[:8], "little") >> 1
    cuda = [torch.cuda.default_generators[device.index or 0]] if device.type == "cuda" else []
    generators = [torch.default_generator, *cuda]
    kept = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(number)
    try:
        yield
    finally:
        for generator, state in zip(generators, kept, strict=True):
            generator.set_state(state)


@contextmanager
def reproducible(wanted: bool) -> Iterator[None]:
    """Choose between fast and reproducible convolutions on a GPU inside the block.

    Args:
        wanted: refuse every operation that may give other bits the next time; otherwise cuDNN measures which of its
            algorithms is the fastest.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        # cuBLAS reads it when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted or before[0])
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
