"""Reproducible arithmetic and random draws: deterministic algorithms, draws by (seed, key) alone."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["draws_of", "reproducible"]


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
