"""What a training takes from the model file that it starts from: settings that are not given, and the values."""

import torch

from birdnet_cli.core.engine.model_file import ModelDescription
from birdnet_cli.core.engine.training.heads import parse_head
from birdnet_cli.core.errors import ModelFileError, UsageError
from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["adopt_settings", "order_classes"]

NAMED = 5


def adopt_settings(settings: FinetuneSettings, description: ModelDescription) -> FinetuneSettings:
    """Return settings that agree with a model file; what was given explicitly must, save for the image size.

    Args:
        settings: `init_from` is the file.
        description: its header.

    Raises:
        UsageError: another backbone, layer or head was asked for.
    """
    given = settings.model_fields_set
    file = {"backbone": description.backbone["backbone"], "layer": description.backbone["layer"]}
    if settings.init_head:
        file["head"] = pooling_name(description.pooling)
    for key, value in file.items():
        asked = getattr(settings, key)
        same = parse_head(asked) == parse_head(value) if key == "head" else asked in (value, None)
        if key in given and not same:
            remedy = "leave it out" + (", or start another head with --no-init-head" if key == "head" else "")
            raise UsageError(f"{settings.init_from}: its {key} is '{value}', but '{asked}' was asked for: {remedy}")
    transform = description.transform.model_dump()
    return settings.model_copy(update=file | {key: value for key, value in transform.items() if key not in given})


@torch.no_grad()
def order_classes(head: LinearHead, known: tuple[str, ...], wanted: tuple[str, ...], *, owner: str) -> LinearHead:
    """Return a head whose logits are in the order of a data set's classes.

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
    ordered = LinearHead(head.weight.shape[1], len(wanted))
    ordered.load_state_dict({"weight": head.weight[rows], "bias": head.bias[rows], "temperature": head.temperature})
    return ordered
