"""Record files: sequential and random access, with an index and without, in any process."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from birdnet_cli.core.data import RecordReader, unpack_image, write_records
from birdnet_cli.core.data.recordio.reader import read_index
from birdnet_cli.core.data.recordio.record import frame_record
from birdnet_cli.core.errors import DataError, ImageError

MAGIC = bytes.fromhex("0a23d7ce")
DATA = (b"first", b"aaaa" + MAGIC + b"bbbb", b"", b"x" * 100)
STARTS = [0, 16, 40, 48]
SIZE = 156


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    """Four records, one of two parts and one empty, without an index."""
    path = tmp_path / "a.rec"
    path.write_bytes(b"".join(map(frame_record, DATA)))
    assert path.stat().st_size == SIZE
    return path


@pytest.fixture
def indexed(rec: Path) -> Path:
    rec.with_suffix(".idx").write_text("".join(f"{key}\t{start}\n" for key, start in enumerate(STARTS)))
    return rec


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


def test_index_that_leaves_a_record_out_is_refused_where_it_shows(indexed: Path) -> None:
    index = indexed.with_suffix(".idx")
    index.write_text("0\t0\n1\t40\n2\t48\n")
    with RecordReader(indexed) as reader, pytest.raises(DataError) as caught:
        reader.read(0)
    assert str(caught.value) == (
        f"{indexed}: byte 0: the record ends at byte 16, according to {index} at 40"
        "; remove the index, which is optional, or write it again"
    )


def test_index_into_the_midst_of_a_record_is_refused_where_it_shows(indexed: Path) -> None:
    indexed.with_suffix(".idx").write_text("0\t0\n1\t16\n2\t28\n3\t40\n4\t48\n")
    with RecordReader(indexed) as reader:
        with pytest.raises(DataError, match=r"byte 16: the record ends at byte 40, according to .* at 28"):
            reader.read(1)
        with pytest.raises(ImageError, match="byte 28: expected the start of a record, found a part of kind 3"):
            reader.read(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an index without an entry; remove it, or write it again"),
        ("\n \n", "an index without an entry"),
        ("0\t0\n1\n", ", line 2: expected `KEY BYTE`, got '1'"),
        ("0\t0\t0\n", ", line 1: expected `KEY BYTE`, got '0\\t0\\t0'"),
        ("0\t-4\n", ", line 1: expected `KEY BYTE`, got '0\\t-4'"),
        ("zero\t0\n", ", line 1: expected `KEY BYTE`, got 'zero\\t0'"),
        ("0\t٤\n", ", line 1: expected `KEY BYTE`"),
        ("0\t" + "9" * 5000, ", line 1: expected `KEY BYTE`"),
        ("0\t0\n0\t16\n", ", line 2: key 0 or byte 16 is listed twice"),
        ("0\t0\n1\t0\n", ", line 2: key 1 or byte 0 is listed twice"),
        ("0\t0\n1\t18\n", ", line 2: no record can begin at byte 18 of a file of 156 bytes"),
        ("0\t0\n1\t152\n", ", line 2: no record can begin at byte 152 of a file of 156 bytes"),
        ("0\t99999996\n", ", line 1: no record can begin at byte 99,999,996 of a file of 156 bytes"),
    ],
)
def test_damaged_index_is_refused_with_its_line(indexed: Path, text: str, message: str) -> None:
    index = indexed.with_suffix(".idx")
    index.write_text(text)
    with RecordReader(indexed) as reader, pytest.raises(DataError) as caught:
        reader.read(0)
    assert str(caught.value).startswith(f"{index}")
    assert message in str(caught.value)


def test_index_maps_keys_to_bytes(indexed: Path) -> None:
    assert read_index(indexed.with_suffix(".idx"), size=SIZE) == dict(enumerate(STARTS))


def test_closed_reader_reads_no_more_and_leaves_no_descriptor(rec: Path) -> None:
    before = open_descriptors()
    reader = RecordReader(rec)
    assert open_descriptors() == before + 1
    reader.close()
    reader.close()
    assert open_descriptors() == before
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.read(0)


def test_closed_reader_never_reads_the_file_that_took_its_descriptor(rec: Path, tmp_path: Path) -> None:
    (tmp_path / "b.rec").write_bytes(frame_record(b"other") * 9)
    closed = RecordReader(rec)
    assert closed.read(0) == DATA[0]
    closed.close()
    with RecordReader(tmp_path / "b.rec"), pytest.raises(OSError, match="Bad file descriptor"):
        closed.read(0)


def test_forgotten_reader_leaves_no_descriptor(rec: Path) -> None:
    before = open_descriptors()
    RecordReader(rec).read(0)
    assert open_descriptors() == before


def read_backwards(reader: RecordReader) -> list[bytes]:
    return [reader.read(number) for number in reversed(range(len(reader)))]


def test_every_process_has_a_handle_of_its_own(rec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordReader(rec) as reader:
        inherited = reader._handle
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert reader.read(1) == DATA[1]
        assert reader._handle != inherited


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_child_of_a_fork_opens_the_file_for_itself(rec: Path) -> None:
    reader = RecordReader(rec)
    assert reader.read(0) == DATA[0]
    child = os.fork()
    if child == 0:
        os.close(reader._handle)
        os._exit(0 if reader.read(1) == DATA[1] else 1)
    assert os.waitpid(child, 0)[1] == 0 or pytest.fail("the child could not read")
    assert reader.read(2) == DATA[2]


def test_reader_pickles_as_its_paths(indexed: Path) -> None:
    with RecordReader(indexed) as reader:
        assert reader.starts == STARTS
        text = pickle.dumps(reader)
    assert len(text) < 1000
    with pickle.loads(text) as copy:
        assert tuple(copy) == DATA


def test_file_that_shrinks_under_a_reader_is_an_error_and_no_crash(rec: Path) -> None:
    with RecordReader(rec) as reader:
        assert reader.starts == STARTS
        os.truncate(rec, 60)
        with pytest.raises(ImageError, match="byte 48: truncated while it was read"):
            reader.read(3)
        os.truncate(rec, 0)
        with pytest.raises(ImageError, match="byte 0: 0 bytes, too few"):
            list(reader)


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


@pytest.mark.parametrize(("name", "count"), [pytest.param("train", 50_000, marks=pytest.mark.slow), ("test", 10_000)])
def test_cifar10_of_mxnet_is_rewritten_byte_for_byte(shared_data: Path, tmp_path: Path, name: str, count: int) -> None:
    source = shared_data / "cifar10" / f"{name}.rec"
    with RecordReader(source) as reader, write_records(tmp_path / "ours.rec") as writer:
        for start, data in zip(reader.starts, reader, strict=True):
            writer.write(unpack_image(data, start=start, path=str(source)))
        assert len(reader) == count
    for suffix in (".rec", ".idx"):
        ours, theirs = (tmp_path / "ours").with_suffix(suffix), source.with_suffix(suffix)
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest()


def test_index_of_cifar10_is_what_a_scan_finds(shared_data: Path) -> None:
    source = shared_data / "cifar10" / "test.rec"
    with RecordReader(source) as reader:
        assert reader.index == source.with_suffix(".idx")
        assert [span.start for span in reader.spans()] == reader.starts
