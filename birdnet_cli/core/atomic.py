"""Write a file so that it appears whole under its final name, or not at all."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "append_bytes",
    "folder_beside",
    "name_errors",
    "remove_temporary",
    "replace_atomically",
    "write_bytes_atomically",
]

# On a shared disk, a process id means nothing without its machine.
MACHINE = re.sub(r"[^A-Za-z0-9-]", "", platform.node())[:32] or "localhost"


@contextmanager
def replace_atomically(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success fsync it and rename it to `target`, on error remove it.

    The sibling's name carries this machine and process, so two writers never share a sibling. Siblings left by killed
    writers of this machine are removed first. The directory is fsynced after the rename, so that a finished file
    survives a power cut.

    Args:
        target: the final path; its parent directory must exist.

    Raises:
        OSError: the file cannot be written, synced or renamed; `target` is then as it was.
    """
    _remove_leftovers(target)
    temporary = target.with_name(f".{target.name}.{MACHINE}.{os.getpid()}.tmp")
    try:
        with name_errors(target):
            yield temporary
            _fsync(temporary)
            temporary.replace(target)
            _fsync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_beside(temporary: Path) -> Iterator[Path]:
    """Yield a new folder for a library that chooses its own file names; remove the folder and its contents at the end.

    Args:
        temporary: the sibling that `replace_atomically` yielded; a folder that a killed writer left is removed together
            with that writer's sibling.
    """
    folder = temporary.with_name(f"{temporary.name}.d")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_bytes_atomically(target: Path, data: bytes) -> None:
    """Write `data` to `target` through `replace_atomically`."""
    with replace_atomically(target) as temporary:
        temporary.write_bytes(data)


def append_bytes(path: Path, data: bytes) -> None:
    """Append to a file, which is created where needed.

    Raises:
        OSError: the disk refused; a part of `data` may have been appended.
    """
    with name_errors(path), path.open("ab") as file:
        file.write(data)


def remove_temporary(path: Path) -> None:
    """Remove a temporary file, or a folder that `folder_beside` made."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def name_errors(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError without a name, such as that of a failed write."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _remove_leftovers(target: Path) -> None:
    name = re.compile(rf"\.{re.escape(target.name)}\.{MACHINE}\.([0-9]+)\.tmp(\.d)?")
    for entry in os.scandir(target.parent) if target.parent.is_dir() else ():
        match = name.fullmatch(entry.name)
        if match and int(match[1]) != os.getpid() and not _is_alive(int(match[1])):
            remove_temporary(Path(entry.path))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
