"""Opening regular files: descriptors that close, errors that become an image's, spans that are whole."""

import os
from pathlib import Path

import pytest

from birdnet_cli.core.data.regular_file import open_regular, read_span
from birdnet_cli.core.errors import ImageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.rec").write_bytes(b"0123456789")
    return tmp_path / "a.rec"


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_descriptor_is_open_inside_the_block_alone(path: Path) -> None:
    with open_regular(path) as (descriptor, status):
        assert status.st_size == 10
        assert is_open(descriptor)
    assert not is_open(descriptor)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("Input/output error")])
def test_error_inside_the_block_is_the_files_and_closes_it(path: Path, error: Exception) -> None:
    with pytest.raises(ImageError) as caught, open_regular(path) as (descriptor, _):
        raise error
    assert (caught.value.path, caught.value.reason) == (str(path), "cannot be read: Input/output error")
    assert not is_open(descriptor)


def test_file_with_another_size_or_time_than_when_it_was_listed_is_refused_and_closed(path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    for listed in ({"size": 11}, {"mtime_ns": 1}):
        with pytest.raises(ImageError, match="changed since it was listed"), open_regular(path, **listed):
            pytest.fail("it was opened")
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_span_is_read_where_it_lies_and_leaves_the_position(path: Path) -> None:
    with open_regular(path) as (descriptor, _):
        assert os.read(descriptor, 2) == b"01"
        assert read_span(descriptor, 6, 3) == b"678"
        assert read_span(descriptor, 8, 5) == b"89"
        assert read_span(descriptor, 20, 5) == b""
        assert os.read(descriptor, 2) == b"23"


def test_span_that_the_system_delivers_in_pieces_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, count, start: real_pread(descriptor, min(count, 3), start))
    with open_regular(path) as (descriptor, _):
        assert read_span(descriptor, 1, 8) == b"12345678"
