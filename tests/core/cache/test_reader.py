import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.cache.columns import checksum
from birdnet_cli.core.errors import CacheError, UnknownNameError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cache(finished):
    with FeatureCache.open(finished) as cache:
        yield cache


@pytest.mark.parametrize("rows", [[-1], [0, 1100]])
def test_rows_outside_the_cache_are_refused_before_iterating(cache, rows):
    with pytest.raises(CacheError, match="of a cache of 1100"):
        cache.blocks("max", np.array(rows))


def test_an_unknown_descriptor_names_the_near_match(cache):
    with pytest.raises(UnknownNameError, match=r"unknown descriptor of feats\.h5 'bilinea': did you mean bilinear"):
        cache.blocks("bilinea")
    with pytest.raises(UnknownNameError):
        cache.state("bilinea")


def test_a_cache_travels_to_a_spawned_process(cache, extraction):
    with pickle.loads(pickle.dumps(cache)) as copy:
        ((_, block),) = copy.blocks("max", slice(10, 12))
    np.testing.assert_array_equal(block, extraction.expected("max")[10:12])


@pytest.mark.parametrize("label", [3, -2])
def test_a_label_outside_the_classes_is_refused(finished, tmp_path, label):
    out = tmp_path / "feats.h5"
    out.write_bytes(finished.read_bytes())
    with h5py.File(out, "r+") as file:
        values = file["label"][:]
        values[17] = label
        file["label"][:] = values
        file["label"].attrs["crc32"] = checksum(values)
    with FeatureCache.open(out) as cache, pytest.raises(CacheError, match="a label is outside -1 to 2"):
        _ = cache.labels
