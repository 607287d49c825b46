"""A loaded model -> what a reader of its results needs to know to repeat them, as JSON."""

import hashlib
from typing import Any

from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.model.model import Model
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.provenance import software_versions

__all__ = ["describe_model"]


def describe_model(model: Model) -> dict[str, Any]:
    """Return where a model comes from and what it is made of.

    Returns:
        `file` and its `sha256` (None if it was not read from one); `backbone`, `transform`, `flip`; `pooling` and
        `dimensions` (None where the head takes whole feature maps); `head` with C, calibration and cross-validation;
        `provenance` of its training; and `evaluated_with`, the software of now.
    """
    description = model.description
    digest = None
    if model.path is not None:
        with model.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": model.name,
        "sha256": digest,
        "backbone": description.backbone,
        "transform": description.transform.model_dump(),
        "flip": description.flip,
        "pooling": None if description.pooling is None else pooling_name(description.pooling),
        "dimensions": model.head.weight.shape[1] if isinstance(model.head, LinearHead) else None,
        "head": description.head | {"temperature": float(model.head.temperature)},
        "provenance": description.provenance,
        "evaluated_with": software_versions() | {"precision": str(model.describer.dtype).removeprefix("torch.")},
    }
