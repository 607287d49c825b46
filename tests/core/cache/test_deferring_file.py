"""A file object for HDF5 that keeps disk errors."""

import errno
import os
import re
from pathlib import Path

import pytest

from birdnet_cli.core.cache.deferring_file import DeferringFile

FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a device without space")


@needs_full_device
def test_an_error_waits_to_be_asked_for_and_what_follows_goes_nowhere() -> None:
    descriptor = os.open(FULL, os.O_RDWR)
    try:
        file = DeferringFile(descriptor)
        file.check()
        assert file.write(memoryview(b"lost")) == 4
        assert (file.tell(), file.seek(-1, os.SEEK_END), file.read(9)) == (4, 3, b"")
        assert file.truncate(2) == 2
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))):
            file.check()
    finally:
        os.close(descriptor)


def test_reading_beyond_the_end_gives_zeros(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    try:
        file = DeferringFile(descriptor)
        file.write(memoryview(b"ab"))
        file.seek(1)
        buffer = bytearray(b"xxx")
        assert file.readinto(memoryview(buffer)) == 3
        assert buffer == b"b\0\0"
        file.check()
    finally:
        os.close(descriptor)
