"""Read and write a model file: one self-contained `.safetensors` file with everything that a prediction needs.

Tensors: `head.*`, `pooling.*` and, unless left out, `backbone.*`. The header's metadata holds one JSON document under
`fbn_model`: class names in order, backbone and preprocessing, transform, pooling, head, calibration, provenance.
Nothing in the file is executed when it is read.
"""

import json
import re
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor

from birdnet_cli.core.errors import ModelFileError, UsageError
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.provenance import hash_file
from birdnet_cli.core.tensor_file import write_tensors

__all__ = ["hash_model_file", "read_description", "read_model_file", "write_model_file"]

METADATA_KEY = "fbn_model"
GROUPS = ("head", "pooling", "backbone")


def write_model_file(path: Path, description: ModelDescription, tensors: dict[str, dict[str, Tensor]]) -> str:
    """Write a model file that appears whole or not at all.

    Args:
        path: the file to write.
        description: the header.
        tensors: `head`, `pooling` and optionally `backbone` -> state dict.

    Returns:
        SHA-256 of the file in hexadecimal.

    Raises:
        OSError: the file cannot be written.
    """
    flat = {f"{group}.{name}": tensor for group, state in tensors.items() for name, tensor in state.items()}
    metadata = {METADATA_KEY: json.dumps(description.to_json(), ensure_ascii=True, sort_keys=True)}
    return write_tensors(path, flat, metadata=metadata)


def read_description(path: Path) -> ModelDescription:
    """Read the header of a model file, without the tensors.

    Raises:
        ModelFileError: there is no such file, it is not a safetensors file or not a model of fbn, or its header is
            malformed.
    """
    with _opened(path) as stored:
        return _describe(path, stored.metadata())


def read_model_file(path: Path) -> tuple[ModelDescription, dict[str, dict[str, Tensor]]]:
    """Read a model file.

    Returns:
        The header, and `head`, `pooling`, `backbone` -> state dict; a group that the file lacks is empty.

    Raises:
        ModelFileError: as for `read_description`, or a tensor belongs to no group.
    """
    with _opened(path) as stored:
        description = _describe(path, stored.metadata())
        groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
        for key in stored.keys():  # noqa: SIM118 - safe_open is not a mapping
            group, _, name = key.partition(".")
            if group not in groups or not name:
                raise ModelFileError(f"{path}: unknown tensor '{key}'")
            groups[group][name] = stored.get_tensor(key)
    return description, groups


def hash_model_file(path: Path, *, expected: str | None = None) -> str:
    """Return the SHA-256 of a model file in hexadecimal.

    Args:
        path: the file.
        expected: required SHA-256 in hexadecimal; None requires nothing.

    Raises:
        ModelFileError: there is no such file, or it has another SHA-256 than `expected`.
        UsageError: `expected` is not a SHA-256.
    """
    if expected is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", expected):
        raise UsageError(f"a SHA-256 has 64 hexadecimal digits, got '{expected}'")
    _require_file(path)
    found = hash_file(path)
    if expected is not None and found != expected.lower():
        raise ModelFileError(f"{path}: has SHA-256 {found}, not {expected.lower()}: it is another file, do not use it")
    return found


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file; fbn train-head and fbn finetune write model files")


def _opened(path: Path) -> Any:
    _require_file(path)
    try:
        return safetensors.safe_open(str(path), framework="pt")
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: not a readable safetensors file: {error}") from error


def _describe(path: Path, metadata: dict[str, str] | None) -> ModelDescription:
    text = (metadata or {}).get(METADATA_KEY)
    if text is None:
        raise ModelFileError(
            f"{path}: a safetensors file, but not a model of fbn; fbn train-head and fbn finetune write models"
        )
    try:
        return ModelDescription.from_json(json.loads(text))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: the header is not JSON: {error}") from error
