"""How many bytes an extraction needs on disk, and the errors of a disk that has too few."""

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from birdnet_cli.core.cache.plan import CachePlan
from birdnet_cli.core.errors import CacheError

__all__ = ["SpaceEstimate", "disk_error", "estimate_space", "require_space"]

MARGIN = 1.1
# Errors of a full disk: no space, the quota is used up, the file is larger than its limit.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class SpaceEstimate:
    """Bytes that an extraction writes, with a tenth to spare.

    Attributes:
        parts: bytes in the parts directory, which is removed at the end.
        final: bytes of the finished file; both exist while it is written.
    """

    parts: int
    final: int

    @property
    def peak(self) -> int:
        """Bytes that must be free at the start."""
        return self.parts + self.final


def estimate_space(plan: CachePlan, *, final: Mapping[str, int]) -> SpaceEstimate:
    """Estimate an extraction's bytes on disk, uncompressed.

    Args:
        plan: the plan; its descriptors are what the shards hold.
        final: name -> D of the descriptors of the finished file.
    """
    return SpaceEstimate(parts=_bytes(plan, plan.descriptors), final=_bytes(plan, final))


def require_space(out: Path, needed: int) -> None:
    """Check that `needed` bytes are free where `out` will lie.

    Raises:
        CacheError: fewer are free; the message says how many.
    """
    free = shutil.disk_usage(out.absolute().parent).free
    if free < needed:
        raise CacheError(f"{out}: {_size(needed)} needed, {_size(free)} free: make room, or choose another -o")


def disk_error(out: Path, error: OSError, *, needed: int) -> CacheError:
    """Return the error to raise when a write below `out`'s directory failed; finished shards stay valid.

    Args:
        out: the cache being written.
        error: the system's error.
        needed: bytes of the file whose writing failed.
    """
    reason, remedy = str(error.strerror or error), "rerun the same command once the disk works"
    if error.errno in FULL:
        free = shutil.disk_usage(out.absolute().parent).free
        reason, remedy = (
            f"{reason} ({_size(needed)} needed, {_size(free)} free)",
            "make room and rerun the same command",
        )
    return CacheError(f"{out}: cannot be written: {reason}; finished shards are kept: {remedy}")


def _bytes(plan: CachePlan, descriptors: Mapping[str, int]) -> int:
    itemsize = np.dtype(plan.dtype).itemsize
    features = sum(D * itemsize + 4 for D in descriptors.values())
    # name, split, error, label, status and sha256; HDF5's own index is a few dozen bytes per chunk.
    columns = max(map(len, plan.names)) + max(map(len, plan.splits)) + 100 + 8 + 1 + 32 + 64
    return int(MARGIN * plan.rows * (features + columns))


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
