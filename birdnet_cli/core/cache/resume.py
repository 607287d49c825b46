"""Decide, under the writer's lock, whether an extraction begins, continues, is finished already, or is refused."""

import glob
import shutil
from pathlib import Path

import filelock

from birdnet_cli.core.cache.layout import parts_directory, shard_path
from birdnet_cli.core.cache.lock import HOLDER_FILE, LOCK_FILE, lock_directory
from birdnet_cli.core.cache.plan import CachePlan, differences, read_plan, write_plan
from birdnet_cli.core.cache.reader import FeatureCache
from birdnet_cli.core.cache.shard import check_shard
from birdnet_cli.core.errors import CacheError

__all__ = ["begin_or_resume"]

REMEDY = "pass --overwrite to replace it, or choose another -o"


def begin_or_resume(
    out: Path, plan: CachePlan, *, overwrite: bool, resume: bool
) -> tuple[filelock.BaseFileLock, list[str]] | None:
    """Make the parts directory ready for `plan`; see `Parts.open` for the arguments.

    Returns:
        The writer's lock, held, and a notice for each damaged shard that was removed; None if `out` is finished.

    Raises:
        CacheError: `out` has other settings or another writer, or its directory cannot be written.
    """
    directory = parts_directory(out)
    try:
        if out.is_dir():
            raise CacheError(f"{out}: is a directory; -o names a file")
        if out.exists() and not overwrite and not directory.exists():
            _require_same_file(out, plan)
            return None
        lock = lock_directory(directory)
        try:
            if not out.exists() or overwrite:
                return lock, _prepare(out, plan, overwrite=overwrite, resume=resume)
            _require_same_file(out, plan)
            if not _changed_fields(out, plan):
                # A run was killed between finishing the file and removing its parts.
                shutil.rmtree(directory, ignore_errors=True)
            lock.release()
            return None
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise CacheError(f"{out}: cannot be written: {error.strerror or error}") from error


def _require_same_file(out: Path, plan: CachePlan) -> None:
    try:
        with FeatureCache.open(out) as cache:
            changed = differences(cache.identity(), plan.identity())
    except CacheError as error:
        raise CacheError(f"{error}; {REMEDY}") from error
    if changed:
        raise CacheError(f"{out}: was made with other settings ({'; '.join(changed)}): {REMEDY}")


def _prepare(out: Path, plan: CachePlan, *, overwrite: bool, resume: bool) -> list[str]:
    continues = _continues(out, plan, overwrite=overwrite) and resume
    for path in parts_directory(out).iterdir():
        temporary = path.name.startswith(".")
        if path.name not in (LOCK_FILE, HOLDER_FILE) and (temporary or not continues):
            path.unlink()
    for path in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        path.unlink()
    if not continues:
        write_plan(out, plan)
    return _remove_damaged_shards(out, plan)


def _continues(out: Path, plan: CachePlan, *, overwrite: bool) -> bool:
    try:
        changed = _changed_fields(out, plan)
    except CacheError as error:
        if overwrite:
            return False
        raise CacheError(f"{error}; {REMEDY}") from error
    if changed and not overwrite:
        raise CacheError(
            f"{parts_directory(out)}: was begun with other settings ({'; '.join(changed)}): "
            f"rerun with those to finish it, {REMEDY}"
        )
    return changed == []


def _changed_fields(out: Path, plan: CachePlan) -> list[str] | None:
    """Return how the parts' plan differs from `plan`, None if there is no plan."""
    stored = read_plan(out)
    if stored is None:
        return None
    old, new = (side.identity() | {"descriptors": dict(side.descriptors)} for side in (stored, plan))
    return differences(old, new)


def _remove_damaged_shards(out: Path, plan: CachePlan) -> list[str]:
    notices = []
    for index in range(plan.shards):
        path = shard_path(out, index)
        if path.exists():
            try:
                check_shard(path, plan=plan, index=index)
            except CacheError as error:
                path.unlink()
                rows = plan.shard_range(index)
                notices.append(f"images {rows.start} to {rows.stop - 1} will be computed again: {error}")
    return notices
