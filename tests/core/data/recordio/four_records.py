"""A file of four records, the second of two parts and the third empty, and how they are read."""

from birdnet_cli.core.data import RecordReader

__all__ = ["DATA", "MAGIC", "SIZE", "STARTS", "read_backwards"]

MAGIC = bytes.fromhex("0a23d7ce")
DATA = (b"first", b"aaaa" + MAGIC + b"bbbb", b"", b"x" * 100)
STARTS = [0, 16, 40, 48]
SIZE = 156


def read_backwards(reader: RecordReader) -> list[bytes]:
    return [reader.read(number) for number in reversed(range(len(reader)))]
