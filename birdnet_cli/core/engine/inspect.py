"""A feature cache or a model file -> the description that it holds, as JSON."""

from collections import Counter
from pathlib import Path
from typing import Any

from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.model import hash_model_file, read_description

__all__ = ["describe_cache", "describe_file"]


def describe_file(path: Path) -> dict[str, Any]:
    """Return the contents of a file's header as JSON; for a model, with the file's sha256.

    Args:
        path: a feature cache (`.h5`), or a model file under any other suffix.

    Raises:
        CacheError: an `.h5` file that is damaged, or not a feature cache.
        ModelFileError: another file that is damaged, or not a model of fbn.
    """
    if path.suffix == ".h5":
        return describe_cache(path)
    return {"sha256": hash_model_file(path)} | read_description(path).to_json()


def describe_cache(path: Path) -> dict[str, Any]:
    """Return contents, fingerprint and provenance of a cache, as `fbn cache info` shows them.

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
