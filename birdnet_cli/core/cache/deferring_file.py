"""A file object for HDF5 that keeps disk errors for `check` in place of raising them inside HDF5.

When a write fails, HDF5 cannot close the file, tries again at exit and ends the process with SIGSEGV (HDF5 2.0, on a
full or failing disk). So HDF5 is told that every write succeeds, and data written after the first error is discarded.
"""

import os

__all__ = ["DeferringFile"]


class DeferringFile:
    """The methods that h5py calls on a file-like object.

    Args:
        descriptor: file descriptor, open for reading and writing; closed by the caller.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        self._size = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first disk error, if there was an error.

        Raises:
            OSError: the disk refused to read or write.
        """
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position and return it."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none after an error."""
        data = b""
        try:
            if self._error is None:
                data = os.pread(self._descriptor, self._size - self._position if size < 0 else size, self._position)
        except OSError as error:
            self._error = error
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer; bytes beyond the end of the file, or after an error, are zeros."""
        data = self.read(len(buffer))
        buffer[:] = data.ljust(len(buffer), b"\0")
        return len(buffer)

    def write(self, data: memoryview) -> int:
        """Write all of `data`, or keep the error."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self._error is None:
                written = os.pwrite(self._descriptor, rest, self._position + size - len(rest))
                rest = rest[written:]
        except OSError as error:
            self._error = error
        self._position += size
        self._size = max(self._size, self._position)
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
        """Do nothing: every write goes to the file descriptor at once."""
