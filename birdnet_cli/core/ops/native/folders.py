"""Temporary folders of the store, the removal of those that dead builders left, and of the whole store."""

import contextlib
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from birdnet_cli.core.ops.native.store import store_folder

__all__ = ["clean_store", "discard", "publish", "remove_abandoned", "temporary_sibling"]

# A file that a builder keeps locked; the operating system drops the lock when the process ends, however it ends.
OWNER = "owner"
# The longest time that a builder may take from making its folder to locking it.
STARTING_SECONDS = 60
# Age from which a folder counts as abandoned on a file system without locks; no build takes a day.
FORGOTTEN_SECONDS = 86_400

TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")
FINISHED = re.compile(r"[0-9a-f]{64}")


@contextlib.contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`, which is removed at the end unless it was renamed."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    owner = os.open(temporary / OWNER, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary
    finally:
        os.close(owner)
        shutil.rmtree(temporary, ignore_errors=True)


def publish(temporary: Path, target: Path) -> None:
    """Sync a temporary folder's files and give it its final name, unless another process was faster.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    for path in temporary.iterdir():
        _sync(path)
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    else:
        (target / OWNER).unlink()
        _sync(target.parent)


def discard(target: Path) -> None:
    """Remove a finished folder: rename it first, so that its name never refers to half of its files."""
    with temporary_sibling(target) as old, contextlib.suppress(FileNotFoundError):
        target.rename(old / "discarded")


def clean_store() -> tuple[int, int]:
    """Remove every finished library and the folders of dead builders, and no other file.

    Returns:
        The number of libraries removed, and their size in bytes.
    """
    folder = store_folder()
    found = [path for path in _folders(folder) if FINISHED.fullmatch(path.name)]
    size = sum(file.stat().st_size for path in found for file in path.iterdir())
    for path in found:
        discard(path)
    remove_abandoned(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return len(found), size


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary folders whose builders are dead."""
    for path in _folders(folder):
        if TEMPORARY.fullmatch(path.name) and _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
        if age < STARTING_SECONDS:
            return False
        owner = os.open(path / OWNER, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        # Another builder has removed it meanwhile, or this process has no permission.
        return False
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return age > FORGOTTEN_SECONDS
    finally:
        os.close(owner)
    return True


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
