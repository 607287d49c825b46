"""What a feature cache holds, and which of its rows are damaged."""

from collections import Counter
from pathlib import Path
from typing import Any

from birdnet_cli.core.cache import STATUS_OK, DamagedRow, FeatureCache, verify_cache
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["describe_cache", "find_damage"]


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


def find_damage(path: Path, *, progress: Progress | None = None) -> list[DamagedRow]:
    """Compare every row of a cache with its CRC32 and return the damaged ones.

    Raises:
        CacheError: the structure itself is damaged.
    """
    with FeatureCache.open(path) as cache:
        total = cache.rows * len(cache.descriptors)
    with (progress or SilentProgress()).stage("verify", total=total, unit="rows") as advance:
        return verify_cache(path, on_rows=advance)
