"""A new HDF5 file on a disk that refuses."""

import errno
from pathlib import Path

import h5py
import numpy as np
import pytest

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
