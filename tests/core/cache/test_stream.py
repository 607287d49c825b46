import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.errors import CacheError


@pytest.fixture
def cache(finished):
    with FeatureCache.open(finished) as cache:
        yield cache


@pytest.mark.parametrize("name", ["max", "bilinear", "chosen"])
@pytest.mark.parametrize("block_bytes", [1, 100_000, 1 << 30])
def test_rows_come_in_the_order_asked_for_in_blocks_of_the_size_asked_for(cache, extraction, name, block_bytes):
    expected = extraction.expected(name)
    row_bytes = 4 * expected.shape[1]
    rows = np.random.default_rng(0).integers(0, 1100, 300)
    rows[7] = rows[8] = rows[200] = 1099
    seen = []
    for positions, block in cache.blocks(name, rows, block_bytes=block_bytes):
        assert block.dtype == np.float32
        assert block.nbytes <= max(block_bytes, row_bytes)
        np.testing.assert_array_equal(block, expected[rows[positions]])
        seen += positions.tolist()
    assert seen == list(range(300))


def test_slices_select_rows_as_they_do_in_numpy(cache, extraction):
    expected = extraction.expected("max")
    for rows in (slice(None), slice(500, 530), slice(-3, None), slice(None, None, -1), slice(5, 5)):
        blocks = [block.copy() for _, block in cache.blocks("max", rows, block_bytes=7000)]
        np.testing.assert_array_equal(np.concatenate([np.empty((0, 40), np.float32), *blocks]), expected[rows])


def test_the_buffer_is_reused(cache):
    first, second = (block for _, block in cache.blocks("max", slice(0, 2), block_bytes=1))
    assert first.base is second.base


@pytest.mark.parametrize(("dtype", "bad"), [("float16", np.inf), ("float16", np.nan), ("float32", -np.inf)])
def test_stored_values_that_are_not_finite_are_refused(make_extraction, tmp_path, dtype, bad):
    out = make_extraction(600, dtype).run(tmp_path / "feats.h5")
    with h5py.File(out, "r+") as file:
        file["features/max"][599, 4] = bad
    with FeatureCache.open(out) as cache:
        assert len(list(cache.blocks("max", slice(0, 512), block_bytes=1000)))
        with pytest.raises(CacheError, match=r"feats\.h5: '/features/max' is not finite in rows 598 to 599"):
            list(cache.blocks("max", slice(598, 600)))
