"""A cache or a model file -> what it says of itself, and its sha256."""

from pathlib import Path
from typing import Any

from birdnet_cli.core.engine.cache_report import describe_cache
from birdnet_cli.core.model import hash_model_file, read_description

__all__ = ["describe_file"]


def describe_file(path: Path) -> dict[str, Any]:
    """Return what a file's header says, as JSON; of a model with the sha256 by which it can be told from others.

    Raises:
        CacheError: it is called `.h5`, and is no cache, or a damaged one.
        ModelFileError: it is called anything else, and is no model of fbn.
    """
    if path.suffix == ".h5":
        return describe_cache(path)
    return {"sha256": hash_model_file(path)} | read_description(path).to_json()
