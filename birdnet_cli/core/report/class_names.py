"""Class names as files spell them -> as people read them."""

import re
from collections.abc import Sequence

__all__ = ["readable_names"]

NUMBER = re.compile(r"\A\d+\.")


def readable_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return class names with blanks for underscores, and without the numbers that CUB's names begin with.

    Where two classes would read the same, or a name would be empty, all of them stay as they are.
    """
    numbered = all(NUMBER.match(name) for name in classes)
    read = tuple(" ".join((NUMBER.sub("", name) if numbered else name).replace("_", " ").split()) for name in classes)
    return read if len(set(read)) == len(read) and all(read) else tuple(classes)
