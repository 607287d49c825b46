"""Settings given by the user -> complete settings, with values of the run, model file or network that they name."""

from pathlib import Path
from typing import Any

from birdnet_cli.core.errors import CheckpointError, UsageError
from birdnet_cli.core.model import ModelDescription, read_description
from birdnet_cli.core.networks import describe_network
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings

__all__ = ["adopt_model_settings", "check_schedule", "complete_settings", "merge_resumed_settings"]

# Settings that may change when a run is resumed: they do not change what is learned.
FREE = ("workers", "device", "checkpoint_steps", "log_steps", "track", "patience")
# More epochs may follow, unless the rates follow a cosine, whose shape depends on the number of epochs.
FREE_UNLESS_COSINE = ("epochs",)
# Name of a setting in a model file's header -> its name in the settings of a training.
MAP_HEAD_SETTINGS = {
    "name": "head",
    "factors": "factors",
    "diagonal": "diagonal",
    "drop_prob": "drop_factor",
    "mask": "drop_mask",
    "test_scale": "test_scale",
}


def complete_settings(settings: FinetuneSettings, *, output: Path, resume: bool) -> FinetuneSettings:
    """Return the complete settings of a training.

    Args:
        settings: settings that the user gave.
        output: the run directory.
        resume: whether to continue the run in it, with the run's settings.

    Raises:
        UsageError: settings contradict each other, or the model file to start from.
        UnknownNameError: there is no such network.
        CheckpointError: the run to resume has other settings.
        ModelFileError: the file to start from is not a model file.
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
    """Refuse settings of the schedule that contradict each other.

    Raises:
        UsageError: both rises are given; milestones are given for another schedule, missing, or not rising; or a
            constant warm-up has a rate of 0.
    """
    if settings.warmup_epochs and settings.slow_start_epochs:
        raise UsageError("finetune.warmup_epochs and finetune.slow_start_epochs both raise the rates: give one of them")
    if settings.warmup_epochs and settings.warmup == "constant" and not settings.warmup_scale:
        raise UsageError("finetune.warmup: constant keeps the rates at finetune.warmup_scale: set it above 0")
    if settings.milestones and settings.sched != "milestones":
        raise UsageError(
            f"finetune.milestones belongs to finetune.sched: milestones, not to '{settings.sched}': give one of them"
        )
    if settings.sched == "milestones" and not settings.milestones:
        raise UsageError("finetune.sched: milestones needs finetune.milestones, such as 50,75 (in epochs)")
    if list(settings.milestones) != sorted(settings.milestones):
        raise UsageError(f"finetune.milestones must rise, got {settings.milestones}")


def merge_resumed_settings(config: Path, asked: FinetuneSettings) -> FinetuneSettings:
    """Return the settings of a resumed run: those of the run, and from `asked` those that may change.

    Args:
        config: the run's `config.yaml`.
        asked: settings of the new session; those that were not given explicitly are taken from the run.

    Raises:
        CheckpointError: a setting was given another value and may not change; all such settings are named.
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
    """Return settings completed with those of the model file that the training starts from.

    Args:
        settings: settings whose `init_from` is the file; of those given explicitly, the image size and the resizing may
            differ from the file's.
        description: header of the file.

    Raises:
        UsageError: another network, layer or head was given explicitly.
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
    header = description.backbone
    network = header.get("network")
    if network is not None:
        return {"network": network["name"], "blocks": network["blocks"], "width": network["width"]}
    return {"network": None, "backbone": header["backbone"], "layer": header["layer"]}


def _head_settings(description: ModelDescription) -> dict[str, Any]:
    if description.pooling is not None:
        name = pooling_name(description.pooling)
        return {"head": "linear" if name == "avg-raw" else name}
    return {setting: description.head["map"][key] for key, setting in MAP_HEAD_SETTINGS.items()}
