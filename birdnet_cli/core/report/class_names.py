"""Class names as in the files -> class names for people."""

import re
from collections.abc import Sequence

__all__ = ["readable_names"]

NUMBER = re.compile(r"\A\d+\.")


def readable_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return class names with spaces for underscores, and without the numbers that CUB's names begin with.

    If two names would become equal, or a name empty, all names are returned unchanged.
    """
    numbered = all(NUMBER.match(name) for name in classes)
    read = tuple(" ".join((NUMBER.sub("", name) if numbered else name).replace("_", " ").split()) for name in classes)
    return read if len(set(read)) == len(read) and all(read) else tuple(classes)
