import pickle
import stat
import subprocess
import sys
from pathlib import Path

import filelock
import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts
from birdnet_cli.core.cache.columns import checksum
from birdnet_cli.core.errors import CacheError, UnknownNameError

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("rows", [[-1], [0, 1100]])
def test_rows_outside_the_cache_are_refused_before_iterating(cache, rows):
    with pytest.raises(CacheError, match="of a cache of 1100"):
        cache.blocks("max", np.array(rows))


def test_an_unknown_descriptor_names_the_near_match(cache):
    with pytest.raises(UnknownNameError, match=r"unknown descriptor of feats\.h5 'bilinea': did you mean bilinear"):
        cache.blocks("bilinea")
    with pytest.raises(UnknownNameError):
        cache.state("bilinea")


def test_an_unfinished_cache_says_how_to_finish_it(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts, [1])
    with pytest.raises(CacheError, match=r"feats\.h5: unfinished \(1 of 3 shards are written\): run the same"):
        FeatureCache.open(out)


def test_a_file_that_is_not_there_says_what_makes_it(tmp_path):
    with pytest.raises(CacheError, match=r"no such file: `fbn extract DATA -o feats\.h5`"):
        FeatureCache.open(tmp_path / "feats.h5")
    with pytest.raises(CacheError, match="is not a file"):
        FeatureCache.open(tmp_path)


def test_reading_needs_neither_write_permission_nor_a_lock(finished, extraction, tmp_path):
    out = Path(tmp_path / "feats.h5")
    out.write_bytes(finished.read_bytes())
    with filelock.FileLock(out):
        out.chmod(stat.S_IRUSR)
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with FeatureCache.open(out) as cache:
            assert cache.names == extraction.plan.names
        assert [path.name for path in tmp_path.iterdir()] == ["feats.h5"]
        tmp_path.chmod(stat.S_IRWXU)
        out.chmod(stat.S_IRWXU)


FORK = """
from birdnet_cli.core.cache import FeatureCache
extraction = Extraction()
expected = extraction.expected("bilinear")

def read_right(cache):
    same = all((block == expected[rows]).all() for rows, block in cache.blocks("bilinear"))
    return same and cache.labels.tolist() == list(extraction.plan.labels)

with FeatureCache.open(out) as cache:
    next(cache.blocks("bilinear"))
    file = cache._open_file.file()
    child = os.fork()
    if child == 0:
        fine = read_right(cache) and cache._open_file.file() is not file and not file
        cache.close()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert cache._open_file.file() is file
    assert read_right(cache)
"""


def test_a_forked_process_opens_the_file_for_itself_and_leaves_the_parent_s_open(finished, process_script):
    command = [sys.executable, "-c", process_script + FORK, str(finished)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_cache_opens_while_the_same_process_reads_it_with_h5py(finished, extraction):
    with h5py.File(finished, "r") as file, FeatureCache.open(finished) as cache:
        assert cache.labels.tolist() == file["label"][:].tolist()


def test_a_file_without_permission_says_so(finished, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(CacheError, match=r"feats\.h5: may not be read by this user: Permission denied"):
        FeatureCache.open(finished)


def test_a_closed_cache_says_so(finished):
    with FeatureCache.open(finished) as cache:
        pass
    with pytest.raises(CacheError, match=r"feats\.h5: is closed"):
        _ = cache.names


def test_a_cache_travels_to_a_spawned_process(cache, extraction):
    with pickle.loads(pickle.dumps(cache)) as copy:
        ((_, block),) = copy.blocks("max", slice(10, 12))
    np.testing.assert_array_equal(block, extraction.expected("max")[10:12])


@pytest.mark.parametrize(("dtype", "bad"), [("float16", np.inf), ("float16", np.nan), ("float32", -np.inf)])
def test_stored_values_that_are_not_finite_are_refused(make_extraction, tmp_path, dtype, bad):
    out = make_extraction(600, dtype).run(tmp_path / "feats.h5")
    with h5py.File(out, "r+") as file:
        file["features/max"][599, 4] = bad
    with FeatureCache.open(out) as cache:
        assert len(list(cache.blocks("max", slice(0, 512), block_bytes=1000)))
        with pytest.raises(CacheError, match=r"feats\.h5: '/features/max' is not finite in rows 598 to 599"):
            list(cache.blocks("max", slice(598, 600)))


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
