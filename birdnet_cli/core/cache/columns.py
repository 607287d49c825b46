"""The small columns of a cache, one array per dataset: stored whole, uncompressed, each with its CRC-32."""

import zlib
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.errors import CacheError

__all__ = ["checksum", "decode_texts", "encode_texts", "read_column"]


def encode_texts(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """Return texts as fixed-length UTF-8, an undecodable byte of a file name as itself.

    Raises:
        CacheError: a text holds a NUL, which fixed-length text cannot store.
    """
    # In a UTF-8 locale this is `os.fsencode`; in any other it still round-trips every class name.
    data = [text.encode("utf-8", "surrogateescape") for text in texts]
    if any(b"\0" in text for text in data):
        raise CacheError("a name with a NUL character cannot be stored in a cache")
    return np.array(data, dtype=f"S{max(map(len, data), default=0) or 1}")


def decode_texts(texts: NDArray[np.bytes_]) -> tuple[str, ...]:
    """Return what `encode_texts` was given."""
    return tuple(text.decode("utf-8", "surrogateescape") for text in texts.tolist())


def checksum(values: NDArray[Any]) -> np.uint32:
    """Return the CRC-32 of an array's bytes."""
    return np.uint32(zlib.crc32(values.tobytes()))


def read_column(dataset: h5py.Dataset) -> NDArray[Any]:
    """Return a column's values.

    Raises:
        CacheError: the values cannot be read, or do not match their checksum.
    """
    try:
        values: NDArray[Any] = np.asarray(dataset[()])
        expected = dataset.attrs["crc32"]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CacheError(f"column '{dataset.name}' cannot be read ({' '.join(str(error).split())[:120]})") from error
    if checksum(values) != expected:
        raise CacheError(f"column '{dataset.name}' does not match its checksum")
    return values
