import zlib

import numpy as np
import pytest

from birdnet_cli.core.cache.stored_rows import compress_chunk, is_finite, narrow, row_crcs, widen


def every_float16() -> np.ndarray:
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return values[np.isfinite(values)][np.newaxis]


def test_widening_is_exact_for_every_finite_float16():
    stored = every_float16()
    wide = np.full(stored.shape, np.nan, np.float32)
    widen(stored, wide)
    assert wide.tobytes() == stored.astype(np.float32).tobytes()


def test_widening_float32_copies():
    stored = np.array([[1.5, -0.0, 1e-40, 3e38]], np.float32)
    wide = np.empty_like(stored)
    widen(stored, wide)
    assert wide.tobytes() == stored.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_each_kind_of_non_finite_value_is_seen(dtype):
    assert is_finite(every_float16().astype(dtype))
    for bad in (np.nan, -np.nan, np.inf, -np.inf):
        rows = np.zeros((2, 5), dtype)
        rows[1, 3] = bad
        assert not is_finite(rows)


def test_narrowing_rounds_to_the_nearest():
    values = np.array([[1.0, 1.0004, -2.00049, 6e-8, 65504.0]], np.float32)
    out = np.empty(values.shape, np.float16)
    assert narrow(values, out) is None
    assert out.tobytes() == values.astype(np.float16).tobytes()


def test_narrowing_refuses_what_the_type_cannot_hold():
    out = np.empty((1, 2), np.float16)
    assert "reaches 65505, beyond the 65504 of float16" in (narrow(np.array([[0, -65505.0]], np.float32), out) or "")
    assert "not finite" in (narrow(np.array([[0, np.nan]], np.float32), out) or "")
    assert "not finite" in (narrow(np.array([[-np.inf, 0]], np.float32), out) or "")
    assert "beyond the 3.40282e+38 of float32" in (narrow(np.array([[1e39, 0]]), np.empty((1, 2), np.float32)) or "")


def test_a_row_has_the_crc_of_its_bytes():
    rows = np.arange(12, dtype=np.float16).reshape(3, 4)
    assert row_crcs(rows).tolist() == [zlib.crc32(row.tobytes()) for row in rows]


def test_compression_groups_the_bytes_of_each_significance():
    chunk = np.array([[1.0, 2.0]], np.float16)
    low, high = chunk.view(np.uint8).reshape(-1, 2).T
    assert zlib.decompress(compress_chunk(chunk)) == low.tobytes() + high.tobytes()
