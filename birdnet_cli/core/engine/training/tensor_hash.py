"""Tensors by name -> one SHA-256."""

import hashlib
from collections.abc import Mapping

from torch import Tensor

__all__ = ["hash_tensors"]


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors' names, shapes and bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(f"{key} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
