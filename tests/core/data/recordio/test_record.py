"""RecordIO's framing and MXNet's image header, against bytes that MXNet 1.9.1 wrote."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_cli.core.data.recordio.record import (
    MAX_RECORD_BYTES,
    ImageRecord,
    frame_record,
    pack_image,
    parse_record,
    unpack_image,
)
from birdnet_cli.core.errors import ImageError, UsageError

MAGIC = bytes.fromhex("0a23d7ce")

# What mxnet.recordio.MXRecordIO wrote, one record each.
BY_MXNET = {
    "no image": (
        ImageRecord((3.0,), 0, 0, b""),
        "0a23d7ce18000000000000000000404000000000000000000000000000000000",
    ),
    "padding": (
        ImageRecord((3.0,), 1, 0, b"abc"),
        "0a23d7ce1b00000000000000000040400100000000000000000000000000000061626300",
    ),
    "the magic alone": (
        ImageRecord((1.5,), 2, 7, MAGIC),
        "0a23d7ce18000020000000000000c03f020000000000000007000000000000000a23d7ce00000060",
    ),
    "the magic amid the image": (
        ImageRecord((2.0,), 4, 0, b"xxxx" + MAGIC + b"yyyyz"),
        "0a23d7ce1c000020000000000000004004000000000000000000000000000000787878780a23d7ce05000060797979797a000000",
    ),
    "the magic off the grid": (
        ImageRecord((2.0,), 5, 0, b"xxx" + MAGIC + b"yyyyz"),
        "0a23d7ce240000000000000000000040050000000000000000000000000000007878780a23d7ce797979797a",
    ),
    "a label vector": (
        ImageRecord((1.0, 2.0, 3.0), 7, 0, b"hello", vector=True),
        "0a23d7ce290000000300000000000000070000000000000000000000000000000000803f000000400000404068656c6c6f000000",
    ),
}
written_by_mxnet = pytest.mark.parametrize(("record", "text"), BY_MXNET.values(), ids=BY_MXNET)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    def read(place: int, count: int) -> bytes:
        assert count == 8 or place + count <= len(data), "asked for more than there is"
        return data[place : place + count]

    return read


def parse(data: bytes, *, start: int = 0, end: int | None = None) -> tuple[bytes, int]:
    return parse_record(reader(data), start=start, end=len(data) if end is None else end, path="a.rec")


def part(flag: int, data: bytes, *, length: int | None = None) -> bytes:
    length = len(data) if length is None else length
    return MAGIC + struct.pack("<I", flag << 29 | length) + data + bytes(-len(data) % 4)


@written_by_mxnet
def test_record_is_written_as_mxnet_writes_it(record: ImageRecord, text: str) -> None:
    assert frame_record(pack_image(record)).hex() == text


@written_by_mxnet
def test_record_of_mxnet_is_read(record: ImageRecord, text: str) -> None:
    framed = bytes.fromhex(text)
    data, end = parse(framed)
    assert end == len(framed)
    assert unpack_image(data, start=0, path="a.rec") == record


def test_parts_are_joined_by_the_magic_that_was_left_out() -> None:
    framed = part(1, b"aaaa") + part(2, b"") + part(2, b"bbbb") + part(3, b"c")
    assert parse(framed) == (b"aaaa" + MAGIC + MAGIC + b"bbbb" + MAGIC + b"c", len(framed))


def test_record_ends_where_the_next_begins() -> None:
    framed = part(0, b"one") + part(0, b"second")
    assert parse(framed) == (b"one", 12)
    assert parse(framed, start=12) == (b"second", 28)


@pytest.mark.parametrize(
    ("framed", "message"),
    [
        (b"", "byte 0: 0 bytes, too few for the start of a record: truncated"),
        (MAGIC + b"\0\0\0", "byte 0: 7 bytes, too few for the start of a record: truncated"),
        (b"\x89PNG\r\n\x1a\n", "byte 0: expected RecordIO's magic 0a23d7ce, found 89504e47: not RecordIO, or damaged"),
        (part(0, b"abcd")[:-1], "byte 0: expected a part of 12 bytes, there are 11: truncated or damaged"),
        (part(0, b"abc")[:-1], "byte 0: expected a part of 12 bytes, there are 11: truncated or damaged"),
        (part(0, b"abcd", length=2**29 - 1), "byte 0: expected a part of 536,870,920 bytes, there are 12: truncated"),
        (part(2, b"abcd"), "byte 0: expected the start of a record, found a part of kind 2: damaged"),
        (part(3, b"abcd"), "byte 0: expected the start of a record, found a part of kind 3: damaged"),
        (part(4, b"abcd"), "byte 0: expected the start of a record, found a part of kind 4: damaged"),
        (part(1, b"abcd"), "byte 12: 0 bytes, too few for the start of a record: truncated"),
        (part(1, b"abcd") + part(0, b"b"), "byte 12: expected the next part of a record, found a part of kind 0"),
        (part(1, b"abcd") + part(1, b"b"), "byte 12: expected the next part of a record, found a part of kind 1"),
        (part(1, b"abcd") + part(7, b"b"), "byte 12: expected the next part of a record, found a part of kind 7"),
        (part(1, b"abcd") + b"none of it", "byte 12: expected RecordIO's magic 0a23d7ce, found 6e6f6e65"),
        (part(1, b"abcd") + part(3, b"b", length=9), "byte 12: expected a part of 20 bytes, there are 12: truncated"),
    ],
)
def test_damaged_record_is_refused_with_its_byte(framed: bytes, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse(framed)
    assert caught.value.path == "a.rec"
    assert caught.value.reason.startswith(message)


def test_byte_of_a_message_counts_from_the_start_of_the_file() -> None:
    framed = part(0, b"abcd") * 100 + part(5, b"")
    with pytest.raises(ImageError, match=r"a\.rec: byte 1,200: expected the start of a record"):
        parse(framed, start=1200)


def test_record_that_reaches_behind_its_place_is_refused() -> None:
    with pytest.raises(ImageError, match="byte 0: expected a part of 20 bytes, there are 12"):
        parse(part(0, b"ninebytes"), end=12)


def test_parts_that_add_up_to_512_mib_are_refused_before_they_are_read() -> None:
    half = 2**28

    def read(place: int, count: int) -> bytes:
        assert count == 8 or place == 8, "the second part must not be read"
        return part(1 if place == 0 else 3, b"", length=half) if count == 8 else bytes(half)

    with pytest.raises(ImageError, match="byte 0: a record of more than 536,870,911 bytes"):
        parse_record(read, start=0, end=2**40, path="a.rec")


def test_file_that_shrinks_while_it_is_read_is_refused() -> None:
    framed = part(0, b"abcdefgh")
    with pytest.raises(ImageError, match="byte 0: truncated while it was read"):
        parse_record(lambda place, count: framed[place : min(place + count, 12)], start=0, end=16, path="a.rec")


def test_record_of_512_mib_is_not_written() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_RECORD_BYTES + 1

    with pytest.raises(UsageError, match="a record takes at most 536,870,911 bytes, got 536,870,912"):
        frame_record(Huge())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 23, "byte 96: a record of 23 bytes, too short for an image record's 24"),
        (struct.pack("<IfQQ", 2, 0, 0, 0) + bytes(7), "byte 96: 2 labels do not fit into a record of 31 bytes"),
        (
            struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0),
            "byte 96: 4,294,967,295 labels do not fit into a record of 24 bytes",
        ),
    ],
)
def test_image_header_that_does_not_fit_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        unpack_image(data, start=96, path="a.rec")
    assert caught.value.reason == message


def test_vector_of_one_label_is_not_a_single_label() -> None:
    vector = ImageRecord((5.0,), 0, 0, b"x", vector=True)
    single = ImageRecord((5.0,), 0, 0, b"x")
    assert unpack_image(pack_image(vector), start=0, path="") == vector
    assert unpack_image(pack_image(single), start=0, path="") == single
    assert len(pack_image(vector)) == len(pack_image(single)) + 4


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (ImageRecord((), 0, 0, b""), "expected a single label, or a label vector that is not empty; got 0 labels"),
        (ImageRecord((), 0, 0, b"", vector=True), "got 0 labels"),
        (ImageRecord((1.0, 2.0), 0, 0, b""), "got 2 labels"),
        (ImageRecord((1.0,), -1, 0, b""), "a record's labels are float32 and its ids uint64"),
        (ImageRecord((1.0,), 2**64, 0, b""), "a record's labels are float32 and its ids uint64"),
        (ImageRecord((1e39,), 0, 0, b""), "a record's labels are float32 and its ids uint64"),
        (ImageRecord((1e39, 0.0), 0, 0, b"", vector=True), "a record's labels are float32 and its ids uint64"),
    ],
)
def test_what_a_record_cannot_hold_is_refused(record: ImageRecord, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pack_image(record)


pieces = st.lists(st.one_of(st.just(MAGIC), st.binary(max_size=6)), max_size=12).map(b"".join)


@given(pieces)
def test_any_bytes_come_back_and_the_magic_marks_parts_alone(data: bytes) -> None:
    framed = frame_record(data)
    assert len(framed) % 4 == 0
    assert parse(framed) == (data, len(framed))
    # What a reader that seeks for the magic on the grid finds are the starts of parts.
    grid = [place for place in range(0, len(framed), 4) if framed[place : place + 4] == MAGIC]
    starts = []
    place = 0
    while place < len(framed):
        starts.append(place)
        length = struct.unpack_from("<I", framed, place + 4)[0] & MAX_RECORD_BYTES
        place += 8 + length + -length % 4
    assert grid == starts


@given(
    labels=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4),
    id=st.integers(0, 2**64 - 1),
    id2=st.integers(0, 2**64 - 1),
    image=pieces,
)
def test_any_image_record_comes_back(labels: list[float], id: int, id2: int, image: bytes) -> None:
    record = ImageRecord(tuple(labels), id, id2, image, vector=len(labels) != 1)
    data, _ = parse(frame_record(pack_image(record)))
    assert unpack_image(data, start=0, path="") == record


headers = st.builds(
    lambda flag, length: MAGIC + struct.pack("<I", flag << 29 | length),
    st.integers(0, 7),
    st.one_of(st.integers(0, 40), st.integers(0, 2**29 - 1)),
)


@settings(max_examples=300)
@given(st.lists(st.one_of(headers, st.binary(max_size=40)), max_size=8).map(b"".join))
def test_any_bytes_are_a_record_or_an_image_error(data: bytes) -> None:
    # `reader` fails if more is asked for than there is.
    try:
        found, end = parse(data)
        unpack_image(found, start=0, path="a.rec")
    except ImageError as error:
        reason = error.reason
    else:
        reason = "byte 0: "
        assert 8 <= end <= len(data)
    assert reason.startswith("byte ")
