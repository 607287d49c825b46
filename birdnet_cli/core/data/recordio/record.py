"""One RecordIO record: its data <-> its framed bytes; and an image record's data <-> label and image.

A record is framed as dmlc-core does it: one part of flag 0, or, cut wherever its data hold the magic number at a
multiple of 4 and without that magic, parts of flags 1, 2, ..., 2, 3. A part is

    uint32 magic | uint32 flag << 29 | length | data [length] | zeros up to a multiple of 4 bytes

and the data of an image record are MXNet's

    uint32 n | float32 label | uint64 id | uint64 id2 | float32 labels [n] | the image file's bytes

where n = 0 means that `label` counts, and `labels` otherwise. All numbers are little-endian.
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
    """What an image record holds.

    Attributes:
        labels: one value, or the label vector.
        id: a number that the writer chose, mostly the record's place in its list.
        id2: another, mostly 0.
        image: the bytes of an image file.
        vector: whether the labels are stored as a vector, which may have one value too.
    """

    labels: tuple[float, ...]
    id: int
    id2: int
    image: bytes
    vector: bool = False


def frame_record(data: bytes) -> bytes:
    """Return the parts that dmlc-core would write for a record's data.

    Raises:
        UsageError: 512 MiB or more, which the format cannot say.
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
    """Return the data of the record at byte `start`, and the byte after it.

    No data are asked of `read` that lie behind `end`, whatever the length fields claim.

    Args:
        read: (byte, count) -> that many bytes of the file, or fewer if there are no more.
        start: where the record begins.
        end: where the file ends, or the part of it that may be read.
        path: the file, for the message.

    Raises:
        ImageError: no record begins there, its parts are out of order or exceed `end`, or it has 512 MiB or more; the
            message names the byte.
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
    """Return the flag and length that begin a part.

    Args:
        data: the eight bytes at `place`, or more.
        place: for the message.
        path: for the message.

    Raises:
        ImageError: fewer bytes, or another magic.
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
        UsageError: no label, several that are not to be a vector, or a number that its field cannot hold.
    """
    labels = record.labels
    if not labels or (len(labels) > 1 and not record.vector):
        raise UsageError(f"expected one label, or a label vector of one at least; got {len(labels)} labels")
    try:
        if not record.vector:
            return HEADER.pack(0, labels[0], record.id, record.id2) + record.image
        vector = struct.pack(f"<{len(labels)}f", *labels)
        return HEADER.pack(len(labels), 0.0, record.id, record.id2) + vector + record.image
    except (struct.error, OverflowError) as error:
        raise UsageError(f"a record's labels are float32 and its ids uint64: {error}") from error


def unpack_image(data: bytes, *, start: int, path: str) -> ImageRecord:
    """Return what a record's data hold, or as much of the image as there is of them.

    Args:
        data: from `parse_record`.
        start: the byte where the record begins, for the message.
        path: the file, for the message.

    Raises:
        ImageError: too short for the header or the label vector that it announces.
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
