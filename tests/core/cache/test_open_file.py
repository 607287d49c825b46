import stat
import subprocess
import sys
from pathlib import Path

import filelock
import h5py
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts
from birdnet_cli.core.errors import CacheError

ROOT = Path(__file__).parents[3]


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
