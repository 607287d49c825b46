import numpy as np
import pytest

from birdnet_cli.core.cache import SHARD_ROWS, Parts
from birdnet_cli.core.errors import CacheError


def test_a_shard_is_512_images_and_the_last_one_shorter(extraction):
    assert [len(extraction.plan.shard_range(index)) for index in range(extraction.plan.shards)] == [512, 512, 76]


def test_a_new_extraction_lacks_every_shard_and_a_written_one_is_not_missing(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]
        extraction.write(parts, [1])
        assert parts.missing_shards() == [0, 2]


def test_stored_rows_stream_in_order_with_failed_images_marked(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts)
        for name in extraction.plan.descriptors:
            steps = [(start, block.copy(), good) for start, block, good in parts.rows(name)]
            assert [start for start, _, _ in steps] == list(np.cumsum([0, *(len(block) for _, block, _ in steps[:-1])]))
            np.testing.assert_array_equal(np.concatenate([block for _, block, _ in steps]), extraction.expected(name))
            np.testing.assert_array_equal(np.concatenate([good for _, _, good in steps]), extraction.status == 0)


def test_streaming_stops_at_a_missing_shard(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts, [0])
        with pytest.raises(CacheError, match=r"shard-000001\.h5: cannot be read"):
            list(parts.rows("max"))


def test_failures_of_the_written_shards_are_listed(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts, [2])
        rows = [row for row in extraction.plan.shard_range(2) if extraction.status[row]]
        assert rows
        assert parts.failures() == [(extraction.plan.names[row], extraction.errors[row]) for row in rows]


def test_workers_attach_and_write_different_shards_while_the_lock_is_held(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        for index in (2, 0, 1):
            worker = Parts.attach(out)
            assert worker.plan == extraction.plan
            extraction.write(worker, [index])
        assert parts.missing_shards() == []


def test_attaching_to_nothing_is_refused(tmp_path):
    with pytest.raises(CacheError, match="no extraction is under way here"):
        Parts.attach(tmp_path / "feats.h5")


def test_exactly_one_shard_of_rows_has_one_shard(make_plan):
    assert make_plan(SHARD_ROWS, {"max": 1}).shards == 1
    assert make_plan(SHARD_ROWS + 1, {"max": 1}).shards == 2
