"""Write a file so that it appears whole under its final name, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replace_atomically", "write_bytes_atomically"]


@contextmanager
def replace_atomically(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success fsync it and rename it to `target`, on error remove it.

    The sibling's name carries the process id, so two writers never share one. The directory is fsynced after the
    rename, so that a finished file survives a power cut.

    Args:
        target: the final path; its parent directory must exist.

    Raises:
        OSError: the file cannot be written, synced or renamed; `target` is then as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _fsync(temporary)
        temporary.replace(target)
        _fsync(target.parent)
    except OSError as error:
        # A write that the disk refuses does not say which file it was for.
        if error.errno is not None and error.filename is None:
            error.filename = str(target)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomically(target: Path, data: bytes) -> None:
    """Write `data` to `target` through `replace_atomically`."""
    with replace_atomically(target) as temporary:
        temporary.write_bytes(data)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
