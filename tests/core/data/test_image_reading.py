"""Reading an image file's bytes."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from birdnet_cli.core.data import image as image_module
from birdnet_cli.core.data import read_image_file
from birdnet_cli.core.errors import ImageError


def test_regular_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert read_image_file(tmp_path / "link.jpg") == b"content"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_circle(path: Path) -> None:
    path.symlink_to(path)


def make_dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "expected a regular file, found a pipe"),
        (make_device_link, "expected a regular file, found a device"),
        (Path.mkdir, "expected a regular file, found a folder"),
        (make_circle, "cannot be read: Too many levels of symbolic links"),
        (make_dangling, "a link to a file that does not exist"),
        (Path.touch, "zero bytes"),
        (lambda path: None, "no such file"),
    ],
    ids=["pipe", "device", "folder", "circle", "dangling", "empty", "absent"],
)
def test_what_is_no_readable_file_is_named_at_once(tmp_path: Path, make: object, reason: str) -> None:
    path = tmp_path / "a.jpg"
    make(path)  # type: ignore[operator]
    started = time.monotonic()
    with pytest.raises(ImageError) as caught:
        read_image_file(path)
    assert (caught.value.path, caught.value.reason) == (str(path), reason)
    assert time.monotonic() - started < 5


def test_pipe_that_takes_the_place_of_a_file_while_it_is_opened_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    os.mkfifo(tmp_path / "pipe")
    real_open = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: real_open(tmp_path / "pipe", flags))
    with pytest.raises(ImageError, match="found a pipe"):
        read_image_file(tmp_path / "a.jpg")


@contextmanager
def without_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    path.chmod(0)
    with without_root(), pytest.raises(ImageError, match="cannot be read: Permission denied"):
        read_image_file(path)


def test_path_with_a_nul_is_named() -> None:
    with pytest.raises(ImageError, match="cannot be read: embedded null byte"):
        read_image_file(Path("a\0.jpg"))


def test_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(image_module.MAX_FILE_BYTES + 1)
    with pytest.raises(ImageError, match=r"268,435,457 bytes; at most 268,435,456 are read"):
        read_image_file(path)


def test_file_that_changed_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    status = path.stat()
    assert read_image_file(path, size=status.st_size, mtime_ns=status.st_mtime_ns) == b"content"
    for size, mtime_ns in [
        (status.st_size + 1, status.st_mtime_ns),
        (status.st_size, status.st_mtime_ns + 1),
        (-1, -1),
    ]:
        with pytest.raises(ImageError, match="changed since it was listed"):
            read_image_file(path, size=size, mtime_ns=mtime_ns)


def test_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    real_fstat, calls = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        if len(calls) == 2:
            path.write_bytes(b"content and more")
        return real_fstat(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(ImageError, match="changed while it was read"):
        read_image_file(path)
