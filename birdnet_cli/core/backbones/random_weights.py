"""Draw random weights from a seed, for tests: names and shapes -> tensors that keep activations finite."""

import hashlib
import math
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["draw_random_tensors"]


def draw_random_tensors(state: Mapping[str, Tensor], *, seed: int) -> tuple[dict[str, Tensor], str]:
    """Draw He-normal weights; norms' scales and running variances are 1, biases and running means 0.

    Args:
        state: names, shapes and types of the tensors; their values are not read.
        seed: seed of the generator; PyTorch's global generator is not used.

    Returns:
        The tensors, and the sha256 of their names, shapes and bytes.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = {key: _draw(key, tensor, generator) for key, tensor in state.items()}
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(f"{key} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return tensors, digest.hexdigest()


def _draw(key: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    if tensor.ndim > 1:
        fan_in = math.prod(tensor.shape[1:])
        return torch.randn(tensor.shape, generator=generator) * math.sqrt(2 / fan_in)
    return torch.full(tensor.shape, 1.0 if key.endswith(("weight", "running_var")) else 0.0)
