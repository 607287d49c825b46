"""A classifier -> the model file that `fbn predict` and `fbn evaluate` read like any other."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from birdnet_cli.core.model import write_model_file
from birdnet_cli.core.tensor_file import hash_tensors
from birdnet_cli.core.training.setup.build import Assembled

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
    pooling = classifier.pooling.state_dict() if classifier.pooling is not None else {}
    description = replace(
        assembled.description,
        backbone=assembled.description.backbone | {"weights_sha256": hash_tensors(backbone)},
        head=assembled.description.head | dict(facts),
        provenance=assembled.description.provenance | dict(provenance),
    )
    tensors = {
        "backbone": backbone,
        "pooling": pooling,
        "head": classifier.head.solved(rescale=temperature),
    }
    return write_model_file(path, description, tensors)
