"""fbn: from a folder of look-alike images to a trained, portable classifier.

The names below are the Python API. They load on first use, so that importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from birdnet_cli._version import __version__

if TYPE_CHECKING:
    from birdnet_cli.core.cache import FeatureCache
    from birdnet_cli.core.data import open_dataset
    from birdnet_cli.core.engine import compare, evaluate, extract, finetune, predict, train_head
    from birdnet_cli.core.errors import FbnError
    from birdnet_cli.core.model import Model, load_model
    from birdnet_cli.core.recipe import ExtractSettings, FinetuneSettings, HeadSettings
    from birdnet_cli.core.report import write_report

__all__ = [
    "ExtractSettings",
    "FbnError",
    "FeatureCache",
    "FinetuneSettings",
    "HeadSettings",
    "Model",
    "__version__",
    "compare",
    "evaluate",
    "extract",
    "finetune",
    "load_model",
    "open_dataset",
    "predict",
    "train_head",
    "write_report",
]

_HOMES = {
    "ExtractSettings": "birdnet_cli.core.recipe",
    "FbnError": "birdnet_cli.core.errors",
    "FeatureCache": "birdnet_cli.core.cache",
    "FinetuneSettings": "birdnet_cli.core.recipe",
    "HeadSettings": "birdnet_cli.core.recipe",
    "Model": "birdnet_cli.core.model",
    "compare": "birdnet_cli.core.engine",
    "evaluate": "birdnet_cli.core.engine",
    "extract": "birdnet_cli.core.engine",
    "finetune": "birdnet_cli.core.engine",
    "load_model": "birdnet_cli.core.model",
    "open_dataset": "birdnet_cli.core.data",
    "predict": "birdnet_cli.core.engine",
    "train_head": "birdnet_cli.core.engine",
    "write_report": "birdnet_cli.core.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
