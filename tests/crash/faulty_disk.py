"""A disk on which a chosen change fails, alone or with all later changes, or ends the process (`faulty_disk.c`)."""

import ctypes
import errno
import os
import subprocess
from pathlib import Path

__all__ = ["KINDS", "FaultyDisk", "build", "is_preloaded"]

SOURCE = Path(__file__).with_suffix(".c")
# Error number of the failing change, 0 for SIGKILL; and whether every later change fails, too.
KINDS = {
    "EIO": (errno.EIO, False),
    "ENOSPC": (errno.ENOSPC, False),
    "EIO for good": (errno.EIO, True),
    "SIGKILL": (0, False),
}


def build(folder: Path) -> Path:
    """Compile the library into a folder and return it; a process that starts with it in LD_PRELOAD has the disk."""
    library = folder / "faulty_disk.so"
    command = (os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(library), "-ldl")
    subprocess.run(command, check=True)
    return library


def is_preloaded() -> bool:
    """Return whether this process has the disk."""
    return hasattr(ctypes.CDLL(None), "faulty_disk_arm")


class FaultyDisk:
    """Faults of changes below a folder, in the process that arms it and in its children."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._library = ctypes.CDLL(None)
        self._library.faulty_disk_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int)
        self._library.faulty_disk_calls.restype = ctypes.c_long
        self._library.faulty_disk_struck.restype = ctypes.c_char_p

    def arm(self, at: int, kind: str) -> None:
        """Let change number `at`, from 1, fail in the way `kind`; 0 only counts changes."""
        self._library.faulty_disk_arm(os.fsencode(self.folder), at, *KINDS[kind])

    @property
    def changes(self) -> int:
        """Number of changes since `arm`."""
        return int(self._library.faulty_disk_calls())

    @property
    def struck(self) -> str:
        """The failed call and its path; empty if no change failed."""
        call, _, path = os.fsdecode(self._library.faulty_disk_struck()).partition(" ")
        return f"{call} {path.removeprefix(f'{self.folder}/')}" if call else ""
