"""Choice between the fastest and the reproducible algorithms of torch and cuDNN."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["deterministic_algorithms"]


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Compute reproducibly or as fast as possible inside the block.

    Args:
        wanted: refuse every operation whose results may differ from run to run in their last bits; otherwise cuDNN
            measures which of its algorithms is the fastest.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        # cuBLAS reads the variable at its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted or before[0])
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
