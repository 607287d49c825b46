"""Settings: YAML recipes, environment, flags and `--set` overrides -> validated, frozen objects."""

from birdnet_cli.core.recipe.base import Settings
from birdnet_cli.core.recipe.extract import ExtractSettings
from birdnet_cli.core.recipe.finetune import FinetuneSettings
from birdnet_cli.core.recipe.flag import Flag
from birdnet_cli.core.recipe.head import HeadSettings
from birdnet_cli.core.recipe.network import MapHeadSettings, NetworkSettings
from birdnet_cli.core.recipe.pooling import PoolingSettings
from birdnet_cli.core.recipe.resolve import SECTIONS, find_recipe, list_recipes, load_recipe, resolve_settings
from birdnet_cli.core.recipe.transform import AugmentSettings, TransformSettings

__all__ = [
    "SECTIONS",
    "AugmentSettings",
    "ExtractSettings",
    "FinetuneSettings",
    "Flag",
    "HeadSettings",
    "MapHeadSettings",
    "NetworkSettings",
    "PoolingSettings",
    "Settings",
    "TransformSettings",
    "find_recipe",
    "list_recipes",
    "load_recipe",
    "resolve_settings",
]
