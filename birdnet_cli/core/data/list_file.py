"""Text lists of images: a list file -> its text, and a path in a list -> a file inside the data set."""

from pathlib import Path, PurePosixPath

from birdnet_cli.core.errors import DataError

__all__ = ["locate_listed", "read_list"]


def read_list(path: Path) -> str:
    r"""Return a list's text, without a byte-order mark; bytes that are not UTF-8 survive as `os.fsdecode` keeps them.

    Line ends are left as they are.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: the list cannot be read: {error.strerror}") from error


def locate_listed(folder: Path, text: str, *, where: str) -> tuple[Path, str]:
    """Return the file that a list's entry means, and its path relative to `folder`.

    Args:
        folder: entries are relative to it.
        text: the entry, with `/`.
        where: list and line, for the message.

    Raises:
        DataError: the entry is empty, absolute, climbs with `..`, or holds a NUL.
    """
    relative = PurePosixPath(text)
    if not relative.parts or relative.is_absolute() or ".." in relative.parts or "\0" in text:
        raise DataError(f"{where}: the path {text!r} must be relative and stay inside {folder}, without '..'")
    return folder / relative, str(relative)
