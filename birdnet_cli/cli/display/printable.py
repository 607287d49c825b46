"""Text that may hold undecodable bytes -> text that every stream can write."""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Return `text` with a backslash escape for each surrogate.

    `os.fsdecode` reads a byte of a file name that is not UTF-8 as a surrogate, which no encoding writes. Its escape
    `\udcXX` is also JSON's, so that JSON text stays JSON.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
