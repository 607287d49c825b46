"""The settings that a training runs with: those given, completed by the run, model file or network they refer to."""

from pathlib import Path
from typing import Any

from birdnet_cli.core.errors import CheckpointError, UsageError
from birdnet_cli.core.model import ModelDescription, read_description
from birdnet_cli.core.networks import describe_network
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings

__all__ = ["adopt_model_settings", "check_schedule", "complete_settings", "merge_resumed_settings"]

# They decide how fast a training goes and what is written of it, not what is learned.
FREE = ("workers", "device", "checkpoint_steps", "log_steps", "track", "patience")
# Without a cosine, whose shape depends on them, more epochs only follow after those before.
FREE_UNLESS_COSINE = ("epochs",)
# Names of a head's settings in its model file and in a training's.
MAP_HEAD_SETTINGS = {
    "name": "head",
    "factors": "factors",
    "diagonal": "diagonal",
    "drop_prob": "drop_factor",
    "mask": "drop_mask",
    "test_scale": "test_scale",
}


def complete_settings(settings: FinetuneSettings, *, output: Path, resume: bool) -> FinetuneSettings:
    """Return the settings with nothing left open.

    Args:
        settings: what was asked for.
        output: the run directory.
        resume: continue the run in it, whose settings then count.

    Raises:
        UsageError: settings that contradict each other, or the model file they start from.
        UnknownNameError: no such network.
        CheckpointError: the run to resume has other settings.
        ModelFileError: the model file to start from is none.
    """
    config = output / "config.yaml"
    if resume and config.is_file():
        settings = merge_resumed_settings(config, settings)
    elif settings.init_from is not None:
        settings = adopt_model_settings(settings, read_description(Path(settings.init_from)))
    elif settings.network is not None:
        settings = _as_published(settings, settings.network)
    check_schedule(settings)
    return settings


def _as_published(settings: FinetuneSettings, network: str) -> FinetuneSettings:
    info = describe_network(network)
    published: dict[str, Any] = {"image_size": info.image_size, "factors": info.factors}
    missing = {key: value for key, value in published.items() if key not in settings.model_fields_set}
    return settings.model_copy(update=missing)


def check_schedule(settings: FinetuneSettings) -> None:
    """Refuse schedules whose parts contradict each other.

    Raises:
        UsageError: two rises, milestones that another schedule would ignore, a schedule without its milestones, or a
            rise at a rate of 0.
    """
    if settings.warmup_epochs and settings.slow_start_epochs:
        raise UsageError("finetune.warmup_epochs and finetune.slow_start_epochs both raise the rates: give one of them")
    if settings.warmup_epochs and settings.warmup == "constant" and not settings.warmup_scale:
        raise UsageError("finetune.warmup: constant stays at finetune.warmup_scale: give one above 0")
    if settings.milestones and settings.sched != "milestones":
        raise UsageError(
            f"finetune.milestones belongs to finetune.sched: milestones, not to '{settings.sched}': give one of them"
        )
    if settings.sched == "milestones" and not settings.milestones:
        raise UsageError("finetune.sched: milestones needs finetune.milestones, such as 50,75 (in epochs)")
    if list(settings.milestones) != sorted(settings.milestones):
        raise UsageError(f"finetune.milestones must rise, got {settings.milestones}")


def merge_resumed_settings(config: Path, asked: FinetuneSettings) -> FinetuneSettings:
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


def adopt_model_settings(settings: FinetuneSettings, description: ModelDescription) -> FinetuneSettings:
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
