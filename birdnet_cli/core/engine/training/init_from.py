"""What a training takes from the model file that it starts from: settings that are not given, and the head's values."""

from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.errors import ModelFileError, UsageError
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.model.modules import Head
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["adopt_settings", "order_classes"]

NAMED = 5
# Names of a head's settings in its model file and in a training's.
MAP_HEAD_SETTINGS = {
    "name": "head",
    "factors": "factors",
    "diagonal": "diagonal",
    "drop_prob": "drop_factor",
    "mask": "drop_mask",
    "test_scale": "test_scale",
}


def adopt_settings(settings: FinetuneSettings, description: ModelDescription) -> FinetuneSettings:
    """Return settings that agree with a model file; what was given explicitly must, save for the image size.

    Args:
        settings: `init_from` is the file.
        description: its header.

    Raises:
        UsageError: another network, layer or head was asked for.
    """
    given = settings.model_fields_set
    file = _network_settings(description)
    if settings.init_head:
        file |= _head_settings(description)
    for key, value in file.items():
        asked = getattr(settings, key)
        if key in given and asked not in (value, None):
            remedy = "leave it out" + (", or start another head with --no-init-head" if key == "head" else "")
            raise UsageError(f"{settings.init_from}: its {key} is '{value}', but '{asked}' was asked for: {remedy}")
    transform = description.transform.model_dump()
    return settings.model_copy(update=file | {key: value for key, value in transform.items() if key not in given})


def _network_settings(description: ModelDescription) -> dict[str, Any]:
    about = description.backbone
    network = about.get("network")
    if network is not None:
        return {"network": network["name"], "blocks": network["blocks"], "width": network["width"]}
    return {"network": None, "backbone": about["backbone"], "layer": about["layer"]}


def _head_settings(description: ModelDescription) -> dict[str, Any]:
    if description.pooling is not None:
        name = pooling_name(description.pooling)
        return {"head": "linear" if name == "avg-raw" else name}
    return {ours: description.head["map"][theirs] for theirs, ours in MAP_HEAD_SETTINGS.items()}


@torch.no_grad()
def order_classes(head: Head, known: tuple[str, ...], wanted: tuple[str, ...], *, owner: str) -> dict[str, Tensor]:
    """Return the state of a head with its logits in the order of a data set's classes.

    Args:
        head: of the model file.
        known: its classes.
        wanted: the data set's classes.
        owner: the model file, for the error.

    Raises:
        ModelFileError: the classes are not the same; the first few that differ are named.
    """
    missing, extra = sorted(set(wanted) - set(known)), sorted(set(known) - set(wanted))
    if missing or extra:
        parts = [f"it lacks {', '.join(missing[:NAMED])} ({len(missing)} in all)"] if missing else []
        parts += [f"it has {', '.join(extra[:NAMED])} ({len(extra)} in all)"] if extra else []
        raise ModelFileError(
            f"{owner}: its classes are not the data set's: {'; '.join(parts)}; start another head with --no-init-head"
        )
    rows = [known.index(name) for name in wanted]
    # Every weight and bias of a head has one row per class; what normalises the map before it has none.
    per_class = [key for key in head.state_dict() if key.endswith(("weight", "bias")) and not key.startswith("norm.")]
    return {key: tensor[rows] if key in per_class else tensor for key, tensor in head.state_dict().items()}
