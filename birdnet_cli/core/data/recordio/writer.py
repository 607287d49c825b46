"""Write image records to a `.rec` file and its `.idx`, as MXNet does."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.data.recordio.reader import RecordReader
from birdnet_cli.core.data.recordio.record import ImageRecord, frame_record, pack_image
from birdnet_cli.core.errors import DataError

__all__ = ["RecordWriter", "write_records"]


class RecordWriter:
    """Appends records to open files; created by `write_records`.

    Args:
        records: the `.rec` file.
        index: the `.idx` file.

    Attributes:
        checksums: CRC32 of each record's data.
    """

    def __init__(self, records: BinaryIO, index: TextIO) -> None:
        self.checksums: list[int] = []
        self._records = records
        self._index = index
        self._place = 0

    def write(self, record: ImageRecord) -> None:
        """Append a record; its key in the index is its number.

        Raises:
            UsageError: the format cannot hold the record's size, labels or ids.
        """
        data = pack_image(record)
        framed = frame_record(data)
        self._records.write(framed)
        self._index.write(f"{len(self.checksums)}\t{self._place}\n")
        self._place += len(framed)
        self.checksums.append(zlib.crc32(data))


@contextmanager
def write_records(path: Path) -> Iterator[RecordWriter]:
    """Yield a writer of `path` and of the `.idx` beside it; both are replaced when the `with` block ends, or unchanged.

    Before they are replaced, every record is read back through the index and compared. The old index is removed before
    the file is replaced, so there is never an index beside the file of another index.

    Raises:
        DataError: no record was written, or a record reads back differently.
        OSError: the files cannot be written.
    """
    index = path.with_suffix(".idx")
    with replace_atomically(index) as new_index, replace_atomically(path) as new_records:
        with new_records.open("wb") as records, new_index.open("w", encoding="ascii", newline="\n") as lines:
            writer = RecordWriter(records, lines)
            yield writer
        if not writer.checksums:
            raise DataError(f"{path}: no record was written")
        _compare(new_records, new_index, writer.checksums, path=path)
        index.unlink(missing_ok=True)


def _compare(records: Path, index: Path, checksums: list[int], *, path: Path) -> None:
    with RecordReader(records, index=index) as reader:
        same = len(reader) == len(checksums)
        for number, checksum in enumerate(checksums):
            same = same and zlib.crc32(reader.read(number)) == checksum
    if not same:
        raise DataError(f"{path}: the written records read back differently; check the disk, and write the file again")
