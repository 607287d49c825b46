"""Checkpoint files: the state that an exact resumption needs, as safetensors and JSON; the last two are kept.

`step-00000120.safetensors` holds the tensors; `step-00000120.json` holds the other values and the SHA-256 of the
tensors' file. The JSON file is written last and holds a digest of itself: a checkpoint without it, or with a digest
that does not match, is incomplete or damaged.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file
from torch import Tensor

from birdnet_cli.core.atomic import remove_temporary, write_bytes_atomically
from birdnet_cli.core.errors import CheckpointError
from birdnet_cli.core.provenance import hash_file
from birdnet_cli.core.tensor_file import write_tensors

__all__ = ["Checkpoint", "load_checkpoint", "prune_checkpoints", "save_checkpoint"]

FORMAT = 1
KEPT = 2
NAME = re.compile(r"step-(\d{8,})\.json")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint.

    Attributes:
        step: updates done.
        tensors: tensors by name.
        document: the other values, as a JSON object.
    """

    step: int
    tensors: dict[str, Tensor]
    document: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically, and remove all but the last two.

    Args:
        folder: folder of the checkpoints; created if it is missing.
        checkpoint: the checkpoint.

    Raises:
        OSError: writing failed; earlier checkpoints are unchanged.
    """
    folder.mkdir(exist_ok=True)
    document = folder / f"step-{checkpoint.step:08d}.json"
    tensors = document.with_suffix(".safetensors")
    # An older checkpoint of the same step would otherwise have new tensors and an old digest for a moment.
    document.unlink(missing_ok=True)
    digest = write_tensors(tensors, checkpoint.tensors)
    content = {
        "format": FORMAT,
        "step": checkpoint.step,
        "tensors_sha256": digest,
        "document": checkpoint.document,
    }
    write_bytes_atomically(document, json.dumps(content | {"sha256": _digest(content)}, indent=1).encode())
    prune_checkpoints(folder)


def prune_checkpoints(folder: Path) -> None:
    """Remove all checkpoints but the last two, and unfinished files of a process that was killed while it saved."""
    for step in _steps(folder)[KEPT:]:
        for suffix in (".json", ".safetensors"):
            (folder / f"step-{step:08d}{suffix}").unlink(missing_ok=True)
    for path in folder.glob(".step-*.tmp*"):
        remove_temporary(path)
    # Tensors without their JSON file.
    for path in folder.glob("step-*.safetensors"):
        if not path.with_suffix(".json").exists():
            path.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest undamaged checkpoint, and a notice for each newer checkpoint that is damaged.

    Returns:
        None and a notice if there is no checkpoint, because the training was killed before its first.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged; the reasons are named.
    """
    notices: list[str] = []
    steps = _steps(folder)
    if not steps:
        return None, ["no checkpoint was saved before the run ended: the training starts from the beginning"]
    for step in steps:
        document = folder / f"step-{step:08d}.json"
        try:
            return _read(document, step), [f"{notice}; going on from step {step}" for notice in notices]
        except (CheckpointError, OSError) as error:
            notices.append(str(error))
    raise CheckpointError(
        f"{folder}: no undamaged checkpoint to resume from: {'; '.join(notices)}; start afresh with --overwrite"
    )


def _read(document: Path, step: int) -> Checkpoint:
    try:
        content = json.loads(document.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{document}: damaged: not JSON") from error
    if not isinstance(content, dict) or content.pop("sha256", None) != _digest(content):
        raise CheckpointError(f"{document}: damaged: it does not match its digest")
    if content.get("format") != FORMAT or content.get("step") != step:
        raise CheckpointError(f"{document}: checkpoint format {content.get('format')!r}; this fbn reads {FORMAT}")
    file = document.with_suffix(".safetensors")
    if not file.is_file():
        raise CheckpointError(f"{file}: missing")
    if hash_file(file) != content["tensors_sha256"]:
        raise CheckpointError(f"{file}: damaged: it does not match its digest")
    try:
        tensors = load_file(file)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{file}: damaged: {error}") from error
    return Checkpoint(step, tensors, content["document"])


def _steps(folder: Path) -> list[int]:
    found = (NAME.fullmatch(path.name) for path in folder.glob("step-*.json"))
    return sorted((int(match[1]) for match in found if match), reverse=True)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
