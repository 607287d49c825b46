"""A cache or a model file -> what it says of itself, and its sha256."""

from collections import Counter
from pathlib import Path
from typing import Any

from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.model import hash_model_file, read_description

__all__ = ["describe_cache", "describe_file"]


def describe_file(path: Path) -> dict[str, Any]:
    """Return what a file's header says, as JSON; of a model with the sha256 by which it can be told from others.

    Raises:
        CacheError: it is called `.h5`, and is no cache, or a damaged one.
        ModelFileError: it is called anything else, and is no model of fbn.
    """
    if path.suffix == ".h5":
        return describe_cache(path)
    return {"sha256": hash_model_file(path)} | read_description(path).to_json()


def describe_cache(path: Path) -> dict[str, Any]:
    """Return what `fbn cache info` shows: contents, fingerprint and provenance.

    Raises:
        CacheError: absent, unfinished, damaged or foreign.
    """
    with FeatureCache.open(path) as cache:
        return {
            "file": str(path),
            "bytes": path.stat().st_size,
            "images": cache.rows,
            "failed": int((cache.status != STATUS_OK).sum()),
            "classes": len(cache.classes),
            "splits": dict(Counter(cache.splits)),
            "dtype": cache.dtype,
            "compressed": cache.compressed,
            "descriptors": dict(cache.descriptors),
            "fingerprint": cache.fingerprint,
            "provenance": cache.provenance,
        }
