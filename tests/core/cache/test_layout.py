import pytest

from birdnet_cli.core.cache.layout import CHUNK_BYTES, SHARD_ROWS, chunk_rows


def test_a_big_row_is_a_chunk_of_its_own():
    assert chunk_rows(131_328, dtype="float16", rows=6000) == 1
    assert chunk_rows(1 << 24, dtype="float32", rows=6000) == 1


@pytest.mark.parametrize("dim", [1, 2, 40, 100, 255, 512, 8192, 10_440, 20_000])
def test_small_rows_share_chunks_that_divide_a_shard(dim):
    rows = chunk_rows(dim, dtype="float16", rows=6000)
    assert SHARD_ROWS % rows == 0
    assert rows * dim * 2 <= CHUNK_BYTES
    assert rows == SHARD_ROWS or 2 * rows * dim * 2 > CHUNK_BYTES


def test_a_chunk_is_not_longer_than_the_cache():
    assert chunk_rows(10, dtype="float16", rows=3) == 3
