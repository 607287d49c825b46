"""Open regular files only, so that a pipe or a device cannot block the program: path -> descriptor and status."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from birdnet_cli.core.errors import ImageError

__all__ = ["open_regular", "read_span"]


@contextmanager
def open_regular(
    path: Path, *, size: int | None = None, mtime_ns: int | None = None
) -> Iterator[tuple[int, os.stat_result]]:
    """Yield a file's descriptor and status; an OSError inside the `with` block becomes an ImageError, too.

    Args:
        path: the file; links are followed.
        size: its size in bytes when it was listed; None if that was not recorded.
        mtime_ns: its modification time when it was listed; None if that was not recorded.

    Raises:
        ImageError: the path is no regular file, a dangling or circular link, or unreadable, or the file has another
            size or modification time than when it was listed.
    """
    try:
        # Checked before opening as well, because opening a device may have an effect.
        _check_kind(path, path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            _check_kind(path, status)
            if (size is not None and size != status.st_size) or (
                mtime_ns is not None and mtime_ns != status.st_mtime_ns
            ):
                raise ImageError(str(path), "changed since it was listed")
            yield descriptor, status
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        reason = "a link to a file that does not exist" if path.is_symlink() else "no such file"
        raise ImageError(str(path), reason) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ImageError(str(path), f"cannot be read: {reason}") from error


def read_span(descriptor: int, start: int, count: int) -> bytes:
    """Return `count` bytes from offset `start`, or fewer if the file ends before; its position stays."""
    data = os.pread(descriptor, count, start)
    while len(data) < count and (more := os.pread(descriptor, count - len(data), start + len(data))):
        data += more
    return data


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
        raise ImageError(str(path), f"expected a regular file, found {kind}")
