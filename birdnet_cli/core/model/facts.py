"""A loaded model -> a JSON object of its parts, settings and origin, from which its results can be repeated."""

from typing import Any

from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.model.model import Model
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.provenance import hash_file, software_versions

__all__ = ["describe_model"]


def describe_model(model: Model) -> dict[str, Any]:
    """Describe a model: its parts, settings and origin.

    Returns:
        `file` and its `sha256` (None if the model was not read from a file); `backbone`, `transform`, `flip`; `pooling`
        and `dimensions` (None if the head takes whole feature maps); `head` with C, calibration and cross-validation;
        `provenance` of the training; and `evaluated_with`, the versions of the running software.
    """
    description = model.description
    return {
        "file": model.name,
        "sha256": None if model.path is None else hash_file(model.path),
        "backbone": description.backbone,
        "transform": description.transform.model_dump(),
        "flip": description.flip,
        "pooling": None if description.pooling is None else pooling_name(description.pooling),
        "dimensions": model.head.weight.shape[1] if isinstance(model.head, LinearHead) else None,
        "head": description.head | {"temperature": float(model.head.temperature)},
        "provenance": description.provenance,
        "evaluated_with": software_versions() | {"precision": dtype_name(model.extractor.dtype)},
    }
