"""The file of four records, with an index and without."""

from pathlib import Path

import pytest

from birdnet_cli.core.data.recordio.record import frame_record
from tests.core.data.recordio.four_records import DATA, SIZE, STARTS


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
