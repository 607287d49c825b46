"""Rows of a cache as the head solvers read them."""

from collections.abc import Iterator

import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.features import cached_rows
from birdnet_cli.core.features.cached_rows import CachedRows, choose_descriptor, needs_standardizing
from birdnet_cli.core.features.run import ExtractReport


@pytest.fixture
def cache(extracted: ExtractReport) -> Iterator[FeatureCache]:
    with FeatureCache.open(extracted.output) as cache:
        yield cache


def read(rows: CachedRows) -> np.ndarray:
    """Return all rows, after a check that blocks are consecutive."""
    blocks = [(first, block.copy()) for first, block in rows.blocks()]
    assert [first for first, _ in blocks] == list(np.cumsum([0, *(len(block) for _, block in blocks[:-1])]))
    return np.concatenate([block for _, block in blocks])


def test_the_wanted_rows_come_in_their_order_and_in_several_blocks(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_rows, "BLOCK_BYTES", 4 * 128 * 5)
    values = np.concatenate([block.copy() for _, block in cache.blocks("avg")])
    wanted = np.array([30, 2, 17, 3, 35, 0, 9])
    rows = CachedRows(cache, "avg", wanted)
    assert (rows.rows, rows.dim, rows.run) == (7, 128, cache.chunk_reader("avg").chunk_rows)
    np.testing.assert_array_equal(read(rows), values[wanted])
    order = np.array([6, 0, 4])
    np.testing.assert_array_equal(read(rows.reordered(order)), values[wanted[order]])


def test_a_descriptor_is_chosen_by_any_spelling_of_its_name(cache: FeatureCache) -> None:
    assert choose_descriptor(cache, "bilinear-variance50") == "bilinear-variance50"
    assert choose_descriptor(cache, "compact-seed0-d64") == "compact-d64"
    with pytest.raises(UnknownNameError, match="did you mean bilinear-reduce8"):
        choose_descriptor(cache, "bilinear-reduce9")
    with pytest.raises(UsageError, match="has several descriptors; choose one with --pooling: avg, bilinear"):
        choose_descriptor(cache, None)


@pytest.mark.parametrize(("name", "differs"), [("max", True), ("avg", False), ("avg-raw", True), ("bilinear", False)])
def test_columns_differ_in_scale_where_no_pooling_normalises_them(name: str, differs: bool) -> None:
    assert needs_standardizing(name) is differs
