"""Find the images that a user names for `predict`: files, folders, globs and lists -> samples, in a stable order."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from birdnet_cli.core.data.dataset import Sample
from birdnet_cli.core.data.layouts.folder import IMAGE_SUFFIXES
from birdnet_cli.core.data.recordio.dataset import record_samples, split_location
from birdnet_cli.core.errors import DataError

__all__ = ["expand_sources", "list_samples"]


def expand_sources(sources: Iterable[str], *, stdin: Iterable[str] = ()) -> Iterator[Path]:
    """Yield the image files that `sources` name.

    A file that does not exist is yielded as well, so that it gets a row with an error in the results.

    Args:
        sources: image files; folders (searched recursively, sorted, hidden files skipped); globs (for shells that do
            not expand them; `**` is recursive); `.txt` lists with a path per line, relative to the list's folder; and
            `-`, which reads a path per line from `stdin`.
        stdin: the lines that `-` reads.

    Raises:
        DataError: a folder holds no image, or a glob matches no file.
    """
    for source in sources:
        path = Path(source)
        if source == "-":
            yield from _listed(stdin, Path())
        elif path.is_dir():
            yield from _nonempty(
                _images_below(path), f"{source}: no image ({', '.join(sorted(IMAGE_SUFFIXES))}) below it"
            )
        elif path.suffix.lower() == ".txt" and path.is_file():
            with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
                yield from _listed(lines, path.parent)
        elif not path.exists() and glob.has_magic(source):
            found = (Path(name) for name in sorted(glob.glob(source, recursive=True)))  # noqa: PTH207 - of any root
            yield from _nonempty((path for path in found if path.is_file()), f"{source}: the pattern matches no file")
        else:
            yield path


def list_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    """Yield each path as an unlabelled sample; a `.rec` file yields a sample for each record.

    Args:
        paths: image files, `.rec` files, or single records written as `PATH.rec#NUMBER`.

    Raises:
        DataError: a `.rec` file is damaged, or has no such record.
    """
    for path in paths:
        location = split_location(str(path))
        if path.suffix.lower() == ".rec" and path.is_file():
            yield from record_samples(path)
        elif location is not None and Path(location[0]).is_file() and not path.exists():
            yield from record_samples(Path(location[0]), number=location[1])
        else:
            yield Sample(path, str(path), -1, "test")


def _listed(lines: Iterable[str], base: Path) -> Iterator[Path]:
    for line in lines:
        if name := line.rstrip("\r\n"):
            yield base / name


def _images_below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(parent, name)


def _nonempty(paths: Iterator[Path], message: str) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise DataError(message)
    yield first
    yield from paths
