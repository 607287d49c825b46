"""The reader's descriptor: closed with it, and of each process's own."""

import os
import pickle
from pathlib import Path

import pytest

from birdnet_cli.core.data import RecordReader
from birdnet_cli.core.data.recordio.record import frame_record
from birdnet_cli.core.errors import ImageError
from tests.core.data.recordio.four_records import DATA, STARTS


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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
