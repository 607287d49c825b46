"""A file for HDF5 to write whose errors wait: HDF5 sees none, its caller asks for them.

When a write fails, HDF5 cannot close the file, tries again at exit and ends the process with SIGSEGV (HDF5 2.0, full
disk or failing one). So it never learns of it, and what it writes after the first error goes nowhere.
"""

import os

__all__ = ["DeferringFile"]


class DeferringFile:
    """What h5py wants of an object in place of a file name.

    Args:
        descriptor: open for reading and writing; closed by the caller.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._place = 0
        self._size = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error that there was.

        Raises:
            OSError: the disk refused to read or write.
        """
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, and return it."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none after an error."""
        data = b""
        try:
            if self._error is None:
                data = os.pread(self._descriptor, self._size - self._place if size < 0 else size, self._place)
        except OSError as error:
            self._error = error
        self._place += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer, with zeros where there is nothing."""
        data = self.read(len(buffer))
        buffer[:] = data.ljust(len(buffer), b"\0")
        return len(buffer)

    def write(self, data: memoryview) -> int:
        """Write all of `data`, or keep the error."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self._error is None:
                written = os.pwrite(self._descriptor, rest, self._place + size - len(rest))
                rest = rest[written:]
        except OSError as error:
            self._error = error
        self._place += size
        self._size = max(self._size, self._place)
        return size

    def truncate(self, size: int) -> int:
        """Cut or extend the file, or keep the error."""
        self._size = size
        try:
            if self._error is None:
                os.ftruncate(self._descriptor, size)
        except OSError as error:
            self._error = error
        return size

    def flush(self) -> None:
        """Do nothing: nothing is kept back here."""
