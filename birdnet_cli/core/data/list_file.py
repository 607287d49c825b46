"""Read text lists of images, and resolve the paths in them to files inside the data set."""

from pathlib import Path, PurePosixPath

from birdnet_cli.core.errors import DataError

__all__ = ["locate_listed", "read_list"]


def read_list(path: Path) -> str:
    r"""Return a list's text without a byte-order mark; bytes that are not UTF-8 become surrogates as in `os.fsdecode`.

    Line ends are not changed.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: the list cannot be read: {error.strerror}") from error


def locate_listed(folder: Path, text: str, *, where: str) -> tuple[Path, str]:
    """Return the file of a list's entry, and its path relative to `folder`, with `/`.

    Args:
        folder: the folder that entries are relative to.
        text: the entry, a path with `/`.
        where: list and line, for the error message.

    Raises:
        DataError: the entry is empty or absolute, or holds `..` or a NUL.
    """
    relative = PurePosixPath(text)
    if not relative.parts or relative.is_absolute() or ".." in relative.parts or "\0" in text:
        raise DataError(f"{where}: the path {text!r} must be relative and stay inside {folder}, without '..'")
    return folder / relative, str(relative)
