"""Frame and parse RecordIO records, and pack and unpack the image records in them.

A record is framed as in dmlc-core: as a single part of flag 0; or, if its data hold the magic number at a multiple of
4, cut at every such place into parts of flags 1, 2, ..., 2, 3, which leave out that magic number. A part is

    uint32 magic | uint32 flag << 29 | length | data [length] | zeros up to a multiple of 4 bytes

and the data of an image record are MXNet's

    uint32 n | float32 label | uint64 id | uint64 id2 | float32 labels [n] | the image file's bytes

where `label` is the label if n = 0, and `labels` are the labels otherwise. All numbers are little-endian.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from birdnet_cli.core.errors import ImageError, UsageError

__all__ = [
    "HEADER_BYTES",
    "MAX_RECORD_BYTES",
    "ImageRecord",
    "frame_record",
    "pack_image",
    "parse_record",
    "unpack_image",
]

MAGIC = struct.pack("<I", 0xCED7230A)
MAX_RECORD_BYTES = 2**29 - 1
PART = struct.Struct("<4sI")
HEADER = struct.Struct("<IfQQ")
HEADER_BYTES = HEADER.size
WHOLE, FIRST, MIDDLE, LAST = range(4)

_LENGTH_BITS = 29


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The content of an image record.

    Attributes:
        labels: a single label, or the label vector.
        id: a number of the writer's choice, mostly the record's index in its list; 0 to 2**64 - 1.
        id2: a second number, mostly 0; 0 to 2**64 - 1.
        image: the bytes of an image file.
        vector: whether the labels are stored as a vector, which may have a single value.
    """

    labels: tuple[float, ...]
    id: int
    id2: int
    image: bytes
    vector: bool = False


def frame_record(data: bytes) -> bytes:
    """Return the framed bytes of a record, as dmlc-core writes them.

    Raises:
        UsageError: the data have 512 MiB or more, which the length field cannot hold.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise UsageError(f"a record takes at most {MAX_RECORD_BYTES:,} bytes, got {len(data):,}")
    cuts = []
    place = data.find(MAGIC)
    while place >= 0:
        if place % 4 == 0:
            cuts.append(place)
        place = data.find(MAGIC, place + 1)
    framed = []
    start = 0
    for cut in cuts:
        flag = FIRST if start == 0 else MIDDLE
        framed += [PART.pack(MAGIC, flag << _LENGTH_BITS | cut - start), data[start:cut]]
        start = cut + len(MAGIC)
    flag = LAST if cuts else WHOLE
    length = len(data) - start
    framed += [PART.pack(MAGIC, flag << _LENGTH_BITS | length), data[start:], bytes(-length % 4)]
    return b"".join(framed)


def parse_record(read: Callable[[int, int], bytes], *, start: int, end: int, path: str) -> tuple[bytes, int]:
    """Return the data of the record at offset `start`, and the offset of the byte after it.

    No data beyond `end` are read, whatever the length fields claim.

    Args:
        read: (offset, count) -> `count` bytes of the file, or fewer at its end.
        start: offset of the record.
        end: offset of the end of the file, or of the part of it that may be read.
        path: the file, for the error message.

    Raises:
        ImageError: no record begins at `start`, its parts are out of order or exceed `end`, or it has 512 MiB or
            more; the message names the byte.
    """
    parts: list[bytes] = []
    place, total = start, 0
    while True:
        flag, length = parse_part(read(place, PART.size), place=place, path=path)
        if flag not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
            expected = "the next part of a record" if parts else "the start of a record"
            raise ImageError(path, f"byte {place:,}: expected {expected}, found a part of kind {flag}: damaged")
        stop = place + PART.size + length + -length % 4
        total += length + len(MAGIC) * bool(parts)
        if stop > end:
            size, left = stop - place, max(0, end - place)
            raise ImageError(
                path, f"byte {place:,}: expected a part of {size:,} bytes, there are {left:,}: truncated or damaged"
            )
        if total > MAX_RECORD_BYTES:
            raise ImageError(path, f"byte {start:,}: a record of more than {MAX_RECORD_BYTES:,} bytes")
        data = read(place + PART.size, length)
        if len(data) < length:
            raise ImageError(path, f"byte {place:,}: truncated while it was read")
        parts.append(data)
        place = stop
        if flag in (WHOLE, LAST):
            return MAGIC.join(parts), place


def parse_part(data: bytes, *, place: int, path: str) -> tuple[int, int]:
    """Return the flag and the length of a part.

    Args:
        data: the eight bytes at `place`, or more.
        place: offset of the part, for the error message.
        path: the file, for the error message.

    Raises:
        ImageError: there are fewer than eight bytes, or they do not begin with the magic number.
    """
    if len(data) < PART.size:
        raise ImageError(path, f"byte {place:,}: {len(data)} bytes, too few for the start of a record: truncated")
    magic, coded = PART.unpack_from(data)
    if magic != MAGIC:
        raise ImageError(
            path,
            f"byte {place:,}: expected RecordIO's magic {MAGIC.hex()}, found {magic.hex()}: not RecordIO, or damaged",
        )
    return coded >> _LENGTH_BITS, coded & MAX_RECORD_BYTES


def pack_image(record: ImageRecord) -> bytes:
    """Return the data of an image record.

    Raises:
        UsageError: there is no label, there are several although `vector` is False, or a field cannot hold its number.
    """
    labels = record.labels
    if not labels or (len(labels) > 1 and not record.vector):
        raise UsageError(f"expected a single label, or a label vector that is not empty; got {len(labels)} labels")
    try:
        if not record.vector:
            return HEADER.pack(0, labels[0], record.id, record.id2) + record.image
        vector = struct.pack(f"<{len(labels)}f", *labels)
        return HEADER.pack(len(labels), 0.0, record.id, record.id2) + vector + record.image
    except (struct.error, OverflowError) as error:
        raise UsageError(f"a record's labels are float32 and its ids uint64: {error}") from error


def unpack_image(data: bytes, *, start: int, path: str) -> ImageRecord:
    """Return the image record in a record's data; of truncated data, the part of the image that is there.

    Args:
        data: data of a record, as `parse_record` returns them.
        start: offset of the record, for the error message.
        path: the file, for the error message.

    Raises:
        ImageError: the data are too short for the header or for its number of labels.
    """
    if len(data) < HEADER.size:
        raise ImageError(
            path, f"byte {start:,}: a record of {len(data)} bytes, too short for an image record's {HEADER.size}"
        )
    count, label, id, id2 = HEADER.unpack_from(data)
    stop = HEADER.size + 4 * count
    if stop > len(data):
        raise ImageError(path, f"byte {start:,}: {count:,} labels do not fit into a record of {len(data):,} bytes")
    labels: Sequence[float] = struct.unpack_from(f"<{count}f", data, HEADER.size) if count else (label,)
    return ImageRecord(tuple(labels), id, id2, data[stop:], vector=count > 0)
