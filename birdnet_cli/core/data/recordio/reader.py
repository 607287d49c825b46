"""Read the records of a `.rec` file, in order or by number, with or without a `.idx` file.

The file is neither mapped nor read ahead, so a file that is truncated while it is read gives an error and no crash.
Every length in the file is compared with the file's size before it is used.
"""

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from birdnet_cli.core.data.list_file import read_list
from birdnet_cli.core.data.recordio.record import HEADER_BYTES, PART, WHOLE, parse_part, parse_record
from birdnet_cli.core.data.regular_file import open_regular, read_span
from birdnet_cli.core.errors import DataError

__all__ = ["RecordReader", "RecordSpan", "read_index"]

HEAD = HEADER_BYTES + 4  # the header and the first label of a vector


class RecordSpan(NamedTuple):
    """The place of a record, bytes start to end - 1 of the file, and `head`, the first 28 bytes of its data."""

    start: int
    end: int
    head: bytes


class RecordReader:
    """The records of a `.rec` file. It is pickled as its paths, and every process opens the file for itself.

    Args:
        path: the `.rec` file.
        index: its `.idx` file; by default the `.idx` file beside it, if it exists. Without an index, the first access
            by number scans the file.

    Raises:
        ImageError: see `open_regular`.
    """

    def __init__(self, path: Path, *, index: Path | None = None) -> None:
        beside = path.with_suffix(".idx")
        self.path = path
        self.index = index if index is not None else beside if beside.is_file() else None
        self._starts: list[int] | None = None
        self._open()

    def __len__(self) -> int:
        return len(self.starts)

    def read(self, number: int) -> bytes:
        """Return the data of a record.

        Args:
            number: 0 to len - 1, in the order of the file.

        Raises:
            DataError: there is no such record, it is damaged, or the index disagrees with the file; the message names
                the byte.
        """
        starts = self.starts
        if not 0 <= number < len(starts):
            raise DataError(f"{self.path}: expected the number of a record, 0 to {len(starts) - 1}; got {number}")
        data, end = parse_record(self._read, start=starts[number], end=self._size, path=str(self.path))
        following = starts[number + 1] if number + 1 < len(starts) else self._size
        if end != following:
            raise DataError(
                f"{self.path}: byte {starts[number]:,}: the record ends at byte {end:,}, according to {self.index} at "
                f"{following:,}; remove the index, which is optional, or write it again"
            )
        return data

    def __iter__(self) -> Iterator[bytes]:
        """Yield the data of every record in the order of the file; the index is not used."""
        place = 0
        while place < self._size:
            data, place = parse_record(self._read, start=place, end=self._size, path=str(self.path))
            yield data

    def spans(self) -> Iterator[RecordSpan]:
        """Yield the place and the head of each record, reading no more of it; the index is not used.

        Raises:
            ImageError: see `parse_record`.
        """
        place, end, path = 0, self._size, str(self.path)
        while place < end:
            data = self._read(place, PART.size + HEAD)
            flag, length = parse_part(data, place=place, path=path)
            stop = place + PART.size + length + -length % 4
            if flag == WHOLE and stop <= end:
                yield RecordSpan(place, stop, data[PART.size : PART.size + min(length, HEAD)])
            else:
                whole, stop = parse_record(self._read, start=place, end=end, path=path)
                yield RecordSpan(place, stop, whole[:HEAD])
            place = stop

    @property
    def starts(self) -> list[int]:
        """Offset of the first byte of each record, ascending.

        Raises:
            DataError: the index is damaged, or there is no index and the file is damaged.
        """
        if self._starts is None:
            if self.index is None:
                self._starts = [span.start for span in self.spans()]
            else:
                self._starts = sorted(read_index(self.index, size=self._size).values())
        return self._starts

    def close(self) -> None:
        """Close the file; the reader cannot be used afterwards."""
        self._close()
        self._handle = -1

    def __enter__(self) -> "RecordReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> tuple[Path, Path | None]:
        return self.path, self.index

    def __setstate__(self, state: tuple[Path, Path | None]) -> None:
        self.path, self.index = state
        self._starts = None
        self._open()

    def _open(self) -> None:
        stack = ExitStack()
        self._handle, status = stack.enter_context(open_regular(self.path))
        self._size = status.st_size
        self._process = os.getpid()
        self._close: Callable[[], object] = weakref.finalize(self, stack.close)
        if not self._size:
            stack.close()
            raise DataError(f"{self.path}: byte 0: zero bytes, no record")

    def _read(self, place: int, count: int) -> bytes:
        if self._process != os.getpid():
            self._open()
        return read_span(self._handle, place, count)


def read_index(path: Path, *, size: int) -> dict[int, int]:
    """Return key -> offset of the records in an `.idx` file, whose lines are `KEY<tab>BYTE`.

    Args:
        path: the `.idx` file.
        size: size of the `.rec` file in bytes.

    Raises:
        DataError: a line has another form, a key or an offset is listed twice, no record can begin at an offset, or
            the file has no line; the message names the line.
    """
    places: dict[int, int] = {}
    taken: set[int] = set()
    for number, line in enumerate(read_list(path).split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 2 or not all(field.isascii() and field.isdigit() and len(field) <= 18 for field in fields):
            raise DataError(f"{path}, line {number}: expected `KEY BYTE`, got {line.strip()[:60]!r}")
        key, place = map(int, fields)
        if key in places or place in taken:
            raise DataError(f"{path}, line {number}: key {key} or byte {place:,} is listed twice")
        if place % 4 or place + PART.size > size:
            raise DataError(f"{path}, line {number}: no record can begin at byte {place:,} of a file of {size:,} bytes")
        places[key] = place
        taken.add(place)
    if not places:
        raise DataError(f"{path}: an index without an entry; remove it, or write it again")
    return places
