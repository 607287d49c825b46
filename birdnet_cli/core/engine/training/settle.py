"""The settings that a training runs with: those given, completed by the run, model file or network they refer to."""

from pathlib import Path
from typing import Any

from birdnet_cli.core.engine.training.init_from import adopt_settings
from birdnet_cli.core.engine.training.resume import agree_settings
from birdnet_cli.core.engine.training.schedule import check_schedule
from birdnet_cli.core.model.file import read_description
from birdnet_cli.core.networks import describe_network
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["settle_settings"]


def settle_settings(settings: FinetuneSettings, *, output: Path, resume: bool) -> FinetuneSettings:
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
        settings = agree_settings(config, settings)
    elif settings.init_from is not None:
        settings = adopt_settings(settings, read_description(Path(settings.init_from)))
    elif settings.network is not None:
        settings = _as_published(settings, settings.network)
    check_schedule(settings)
    return settings


def _as_published(settings: FinetuneSettings, network: str) -> FinetuneSettings:
    info = describe_network(network)
    published: dict[str, Any] = {"image_size": info.image_size, "factors": info.factors}
    missing = {key: value for key, value in published.items() if key not in settings.model_fields_set}
    return settings.model_copy(update=missing)
