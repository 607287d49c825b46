"""Tensors -> a safetensors file that appears whole or not at all."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from birdnet_cli.core.atomic import folder_beside, replace_atomically
from birdnet_cli.core.provenance import hash_file

__all__ = ["hash_tensors", "write_tensors"]


def write_tensors(target: Path, tensors: Mapping[str, Tensor], *, metadata: dict[str, str] | None = None) -> str:
    """Write tensors of any device and layout.

    Args:
        target: the file.
        tensors: tensors by name.
        metadata: text entries of the header.

    Returns:
        The file's sha256 in hexadecimal.

    Raises:
        OSError: the disk refused; `target` is then as it was.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replace_atomically(target) as temporary:
        # save_file makes a file that only its owner may read; keep the mode that the umask gives any other file.
        temporary.touch()
        mode = temporary.stat().st_mode
        # save_file writes a temporary file of its own first. Inside this folder, it is cleaned up after a kill.
        with folder_beside(temporary) as folder:
            try:
                save_file(plain, folder / target.name, metadata=metadata)
            except SafetensorError as error:
                raise OSError(f"{target}: cannot be written: {error}") from error
            (folder / target.name).replace(temporary)
        temporary.chmod(mode)
        return hash_file(temporary)


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors' names, shapes and bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(f"{key} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
