"""Record files: sequential and random access, with an index and without, in any process."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from birdnet_cli.core.data import RecordReader
from birdnet_cli.core.data.recordio.record import frame_record
from birdnet_cli.core.errors import DataError, ImageError
from tests.core.data.recordio.four_records import DATA, MAGIC, SIZE, STARTS, read_backwards


def test_records_come_in_the_order_of_the_file_as_often_as_asked(rec: Path) -> None:
    with RecordReader(rec) as reader:
        assert tuple(reader) == DATA
        assert tuple(reader) == DATA


def test_records_are_read_by_number_without_an_index(rec: Path) -> None:
    with RecordReader(rec) as reader:
        assert len(reader) == 4
        assert reader.starts == STARTS
        assert [reader.read(number) for number in (2, 1, 3, 0)] == [DATA[2], DATA[1], DATA[3], DATA[0]]


def test_an_index_beside_the_file_is_used(indexed: Path) -> None:
    indexed.with_suffix(".idx").write_text("7\t48\r\n\n5\t0\n6 16\n8\t40")
    with RecordReader(indexed) as reader:
        assert reader.starts == STARTS
        assert reader.read(3) == DATA[3]


def test_another_index_can_be_named(indexed: Path, tmp_path: Path) -> None:
    other = indexed.with_suffix(".idx").rename(tmp_path / "other")
    indexed.with_suffix(".idx").write_text("nonsense")
    with RecordReader(indexed, index=other) as reader:
        assert reader.read(1) == DATA[1]


def test_spans_tell_where_records_lie_and_how_their_data_begin(indexed: Path) -> None:
    with RecordReader(indexed) as reader:
        spans = list(reader.spans())
    assert [(span.start, span.end) for span in spans] == [(0, 16), (16, 40), (40, 48), (48, SIZE)]
    assert [span.head for span in spans] == [data[:28] for data in DATA]


@pytest.mark.parametrize("number", [-1, 4])
def test_number_of_no_record_is_refused(rec: Path, number: int) -> None:
    with RecordReader(rec) as reader, pytest.raises(DataError) as caught:
        reader.read(number)
    assert str(caught.value) == f"{rec}: expected the number of a record, 0 to 3; got {number}"


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rec").touch()
    with pytest.raises(DataError, match=r"a\.rec: byte 0: zero bytes, no record"):
        RecordReader(tmp_path / "a.rec")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "expected a regular file, found a folder"),
        (os.mkfifo, "expected a regular file, found a pipe"),
    ],
    ids=["absent", "folder", "pipe"],
)
def test_what_is_no_file_is_named_at_once(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "a.rec")
    with pytest.raises(ImageError, match=message):
        RecordReader(tmp_path / "a.rec")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"\0" + data[1:], "byte 0: expected RecordIO's magic 0a23d7ce, found 0023d7ce"),
        (lambda data: data[:48] + b"JUNK" + data[52:], "byte 48: expected RecordIO's magic 0a23d7ce, found 4a554e4b"),
        (lambda data: data[:-1], "byte 48: expected a part of 108 bytes, there are 107: truncated or damaged"),
        (lambda data: data[:36], "byte 28: expected a part of 12 bytes, there are 8: truncated or damaged"),
        (lambda data: data + MAGIC, "byte 156: 4 bytes, too few for the start of a record: truncated"),
        (
            lambda data: data[:52] + b"\xff\xff\xff\x1f" + data[56:],
            "byte 48: expected a part of 536,870,920 bytes, there are 108: ",
        ),
    ],
    ids=["first magic", "fourth magic", "last byte", "second part", "half a record more", "huge length"],
)
@pytest.mark.parametrize(
    "access",
    [list, lambda reader: list(reader.spans()), lambda reader: reader.read(0)],
    ids=["order", "spans", "number"],
)
def test_damage_is_named_with_its_byte(
    rec: Path, damage: Callable[[bytes], bytes], message: str, access: Callable[[RecordReader], object]
) -> None:
    rec.write_bytes(damage(rec.read_bytes()))
    with RecordReader(rec) as reader, pytest.raises(DataError) as caught:
        access(reader)
    assert str(caught.value).startswith(f"{rec}: {message}")


def test_damage_ahead_hides_no_record_of_an_indexed_file(indexed: Path) -> None:
    data = indexed.read_bytes()
    indexed.write_bytes(b"JUNK" + data[4:])
    with RecordReader(indexed) as reader:
        assert reader.read(3) == DATA[3]
        with pytest.raises(ImageError, match="byte 0: expected RecordIO's magic"):
            reader.read(0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, 255)), max_size=4),
    size=st.integers(1, SIZE + 8),
    index=st.one_of(st.none(), st.just(STARTS), st.lists(st.integers(0, SIZE).map(lambda place: place & ~3))),
)
def test_any_file_and_index_are_read_or_refused(
    tmp_path: Path, edits: list[tuple[int, int]], size: int, index: list[int] | None
) -> None:
    data = bytearray(b"".join(map(frame_record, DATA)))
    for place, value in edits:
        data[place] = value
    path = tmp_path / "a.rec"
    path.write_bytes(bytes(data[:size]))
    path.with_suffix(".idx").unlink(missing_ok=True)
    if index is not None:
        path.with_suffix(".idx").write_text("".join(f"{key}\t{start}\n" for key, start in enumerate(index)))
    with RecordReader(path) as reader:
        for access in (lambda: list(reader), lambda: list(reader.spans()), lambda: read_backwards(reader)):
            try:
                access()
            except DataError as error:
                message = str(error)
                assert message.startswith(str(path.with_suffix("")))
