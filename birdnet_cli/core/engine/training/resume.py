"""What a session that goes on with a run must agree with: the run's settings and its data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from birdnet_cli.core.errors import CheckpointError
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings

__all__ = ["agree_settings", "require_same_data"]

# They decide how fast a training goes and what is written of it, not what is learned.
FREE = ("workers", "device", "checkpoint_steps", "log_steps", "track", "patience")
# Without a cosine, whose shape depends on them, more epochs only follow after those before.
FREE_UNLESS_COSINE = ("epochs",)


def agree_settings(config: Path, asked: FinetuneSettings) -> FinetuneSettings:
    """Return a run's settings, with what may change taken from `asked`.

    Args:
        config: the run's `config.yaml`.
        asked: the settings of the new session; what was not given explicitly is the run's.

    Raises:
        CheckpointError: a setting was given that may not change; all of them are named.
    """
    stored = resolve_settings(FinetuneSettings, section="finetune", recipe=str(config))
    free = FREE if stored.sched == "cosine" else FREE + FREE_UNLESS_COSINE
    given = {key: getattr(asked, key) for key in asked.model_fields_set}
    differing = [
        f"{key} ({getattr(stored, key)}, asked for: {value})"
        for key, value in given.items()
        if key not in free and value != getattr(stored, key)
    ]
    if differing:
        raise CheckpointError(
            f"{config.parent}: the run was made with other settings: {', '.join(differing)}; leave them out to resume, "
            "or choose another folder"
        )
    return stored.model_copy(update={key: value for key, value in given.items() if key in free})


def require_same_data(facts: Mapping[str, Any], *, data: str, owner: Path) -> None:
    """Refuse to go on with other images.

    Args:
        facts: of the checkpoint.
        data: fingerprint of the data at hand.
        owner: the run directory, for the error.

    Raises:
        CheckpointError: names, sizes, labels or the division of the images differ.
    """
    if facts["data"] != data:
        raise CheckpointError(
            f"{owner}: was trained on other images: their names, sizes, labels or splits differ from those at hand; "
            "give the same data, or choose another folder"
        )
