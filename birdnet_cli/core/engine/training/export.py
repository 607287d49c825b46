"""A classifier -> the model file that `fbn predict` and `fbn evaluate` read like any other."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from birdnet_cli.core.engine.model_file import write_model_file
from birdnet_cli.core.engine.training.assembly import Assembled

__all__ = ["write_classifier"]


def write_classifier(
    path: Path, assembled: Assembled, *, facts: Mapping[str, Any], provenance: Mapping[str, Any], temperature: float
) -> str:
    """Write a model file; nothing in it depends on when or how fast it was trained.

    Args:
        path: the file.
        assembled: the classifier as it is now, and its header.
        facts: what the header's `head` says of the training: settings, epoch, validation.
        provenance: software, data, precision.
        temperature: T of the scores.

    Returns:
        The file's sha256.
    """
    classifier = assembled.classifier
    backbone = classifier.backbone.state_dict()
    description = replace(
        assembled.description,
        backbone=assembled.description.backbone | {"weights_sha256": _hash(backbone)},
        head=assembled.description.head | dict(facts),
        provenance=assembled.description.provenance | dict(provenance),
    )
    tensors = {
        "backbone": backbone,
        "pooling": classifier.pooling.state_dict(),
        "head": classifier.head.solved(rescale=temperature),
    }
    return write_model_file(path, description, tensors)


def _hash(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(f"{key} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
