"""A new HDF5 file on a disk that refuses."""

import errno
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache.deferring_file import DeferringFile
from birdnet_cli.core.cache.new_file import create_hdf5
from tests.own_process import run_python

FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a device without space")

# At its exit HDF5 used to try again and die of it.
WRITE = """
import sys
from pathlib import Path
import numpy as np
from birdnet_cli.core.cache.new_file import create_hdf5
try:
    with create_hdf5(Path("/dev/full")) as new:
        if sys.argv[1] == "rows":
            rows = new.create_rows("x", shape=(64, 8), chunk_rows=64, dtype="float32")
            new.write_chunk(rows, 0, np.ones((64, 8), np.float32))
            print("written")
        else:
            new.create_group("x")
except OSError as error:
    print(error.errno)
"""


def test_what_is_written_can_be_read_by_name(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(3, 8)
    with create_hdf5(tmp_path / "a.h5") as new:
        new.write_column("column", np.array([b"kea", b""]))
        rows = new.create_rows("x", shape=(3, 8), chunk_rows=3, dtype="float32")
        new.write_chunk(rows, 0, values)
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["x"][:] == values).all()
        assert file["column"].asstr()[:].tolist() == ["kea", ""]


@needs_full_device
@pytest.mark.parametrize("what", ["rows", "group"])
def test_a_full_disk_is_an_os_error_and_the_process_lives(what: str) -> None:
    done = run_python("-c", WRITE, what)
    assert (done.stdout, done.stderr, done.returncode) == (f"{errno.ENOSPC}\n", "", 0)


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
