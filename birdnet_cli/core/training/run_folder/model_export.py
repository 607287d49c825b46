"""A classifier -> a model file that `fbn predict` and `fbn evaluate` read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from birdnet_cli.core.model import write_model_file
from birdnet_cli.core.tensor_file import hash_tensors
from birdnet_cli.core.training.setup.trained_parts import TrainedParts

__all__ = ["write_classifier"]


def write_classifier(
    path: Path, parts: TrainedParts, *, facts: Mapping[str, Any], provenance: Mapping[str, Any], temperature: float
) -> str:
    """Write a model file; its bytes do not depend on when or how fast the classifier was trained.

    Args:
        path: the file.
        parts: the classifier, with the parameters to write, and its header.
        facts: entries of the header's `head` about the training: settings, step, validation.
        provenance: software, data, precision.
        temperature: T of the scores, above 0.

    Returns:
        The file's SHA-256.
    """
    classifier, description = parts.classifier, parts.description
    backbone = classifier.backbone.state_dict()
    pooling = classifier.pooling.state_dict() if classifier.pooling is not None else {}
    description = replace(
        description,
        backbone=description.backbone | {"weights_sha256": hash_tensors(backbone)},
        head=description.head | dict(facts),
        provenance=description.provenance | dict(provenance),
    )
    tensors = {"backbone": backbone, "pooling": pooling, "head": classifier.head.solved(rescale=temperature)}
    return write_model_file(path, description, tensors)
