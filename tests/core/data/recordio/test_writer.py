"""Writing `.rec` and `.idx`: whole or not at all."""

from pathlib import Path

import pytest

from birdnet_cli.core.data import ImageRecord, RecordReader, unpack_image, write_records
from birdnet_cli.core.data.recordio import writer as record_writer
from birdnet_cli.core.errors import DataError, UsageError

RECORDS = (
    ImageRecord((0.0,), 0, 0, b"one"),
    ImageRecord((2.0, 3.0), 1, 9, bytes.fromhex("0a23d7ce") * 2, vector=True),
)


def write(path: Path, *records: ImageRecord) -> None:
    with write_records(path) as writer:
        for record in records or RECORDS:
            writer.write(record)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.rec")
    assert (tmp_path / "a.idx").read_bytes() == b"0\t0\n1\t36\n"
    with RecordReader(tmp_path / "a.rec") as reader:
        assert [unpack_image(data, start=0, path="") for data in reader] == list(RECORDS)


def test_nothing_appears_before_the_block_ends_and_nothing_else_after(tmp_path: Path) -> None:
    with write_records(tmp_path / "a.rec") as writer:
        writer.write(RECORDS[0])
        assert not (tmp_path / "a.rec").exists()
        assert not (tmp_path / "a.idx").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.idx", "a.rec"]


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "a.rec")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="got 0 labels"):
        write(tmp_path / "a.rec", ImageRecord((5.0,), 0, 0, b"new"), ImageRecord((), 0, 0, b""))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_record_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.rec: no record was written"), write_records(tmp_path / "a.rec"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_reads_back_differently_does_not_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_writer, "frame_record", lambda data: b"\x0a\x23\xd7\xce\x04\0\0\0junk")
    with pytest.raises(DataError, match=r"a\.rec: the written records read back differently"):
        write(tmp_path / "a.rec")
    assert list(tmp_path.iterdir()) == []


def test_old_index_never_lies_beside_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.rec")
    seen: list[bool] = []
    replace = Path.replace

    def watch(source: Path, target: Path) -> Path:
        seen.append((tmp_path / "a.idx").exists())
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", watch)
    write(tmp_path / "a.rec")
    assert seen == [False, False]
    assert (tmp_path / "a.idx").exists()
