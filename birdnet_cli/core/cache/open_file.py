"""An open, validated cache file that can be used on both sides of a fork: each process opens the file for itself."""

import os
from pathlib import Path

import h5py

from birdnet_cli.core.cache.layout import shard_path
from birdnet_cli.core.cache.plan import read_plan
from birdnet_cli.core.cache.validate import CacheShape, damage_as_cache_error, validate_cache
from birdnet_cli.core.errors import CacheError

__all__ = ["OpenCacheFile"]


class OpenCacheFile:
    """A finished cache, opened without a lock, so that neither the file nor its file system need be writable.

    Attributes:
        path: the file.
        shape: sizes, types and attributes.

    Raises:
        CacheError: no such file; an extraction into it is unfinished; or the file is damaged, foreign or hostile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pid = os.getpid()
        self._file, self.shape = _open(path)

    def file(self) -> h5py.File:
        """Return the file, open in this process.

        Raises:
            CacheError: the file is closed; or this is a forked process, and the file was replaced meanwhile.
        """
        if self._pid != os.getpid():
            # HDF5's handles do not survive a fork.
            self._file.close()
            self._file, shape = _open(self.path)
            self._pid = os.getpid()
            if shape != self.shape:
                raise CacheError("was replaced while it was being read: start again")
        if not self._file:
            raise CacheError("is closed")
        return self._file

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open(path: Path) -> tuple[h5py.File, CacheShape]:
    with damage_as_cache_error(path):
        if not path.is_file():
            raise CacheError(_explain_absence(path))
        try:
            file = h5py.File(path, "r", locking=False)
        except OSError:
            # HDF5 refuses `locking=False` if this process has the file open with a lock, as a notebook may.
            file = h5py.File(path, "r")
        try:
            return file, validate_cache(file)
        except BaseException:
            file.close()
            raise


def _explain_absence(path: Path) -> str:
    if path.exists():
        return "is not a file: expected the feature cache that `fbn extract` made"
    plan = read_plan(path)
    if plan is None:
        return f"no such file: `fbn extract DATA -o {path.name}` makes a feature cache"
    done = sum(shard_path(path, index).exists() for index in range(plan.shards))
    return f"unfinished ({done} of {plan.shards} shards are written): run the same `fbn extract` again to finish it"
