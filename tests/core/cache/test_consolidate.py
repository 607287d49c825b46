import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts, consolidate
from birdnet_cli.core.cache.layout import parts_directory, shard_path
from birdnet_cli.core.errors import CacheError, UnknownNameError

ROOT = Path(__file__).parents[3]


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(("rows", "dtype"), [(1100, "float16"), (1100, "float32"), (5, "float16"), (512, "float16")])
@pytest.mark.parametrize("compress", [False, True])
def test_everything_that_went_in_comes_out(make_extraction, tmp_path, rows, dtype, compress):
    extraction = make_extraction(rows, dtype)
    with FeatureCache.open(extraction.run(tmp_path / "feats.h5", compress=compress)) as cache:
        plan = extraction.plan
        assert (cache.rows, cache.dtype, cache.compressed) == (rows, dtype, compress)
        assert cache.descriptors == {**plan.descriptors, "chosen": 5}
        assert (cache.names, cache.splits, cache.classes) == (plan.names, plan.splits, plan.classes)
        assert cache.labels.tolist() == list(plan.labels)
        assert cache.status.tolist() == extraction.status.tolist()
        assert cache.errors == extraction.errors
        np.testing.assert_array_equal(cache.sha256, extraction.sha256)
        assert cache.fingerprint == plan.fingerprint
        assert cache.provenance == plan.provenance
        assert cache.identity() == plan.identity()
        assert {name: value.tolist() for name, value in cache.state("bilinear").items()} == {
            name: value.tolist() for name, value in extraction.state["bilinear"].items()
        }
        assert cache.state("max") == {}
        for name in cache.descriptors:
            block = np.concatenate([block.copy() for _, block in cache.blocks(name, verify=True)])
            np.testing.assert_array_equal(block, extraction.expected(name))


@pytest.mark.parametrize("compress", [False, True])
def test_any_h5py_user_can_read_the_file(extraction, tmp_path, compress):
    out = extraction.run(tmp_path / "feats.h5", compress=compress)
    with h5py.File(out, "r") as file:
        np.testing.assert_array_equal(file["features/bilinear"][:], extraction.expected("bilinear"))
        np.testing.assert_array_equal(file["features/chosen"][:], extraction.expected("chosen"))
        assert file["features/bilinear"].compression == ("gzip" if compress else None)
        assert file["path"].asstr()[3] == "b/déjà vu.jpg"
        assert file["classes"].asstr()[:].tolist() == ["kea", "kākā", "kākāpō 🦜"]
        assert file["label"][:].tolist() == list(extraction.plan.labels)
        assert b'"layer": "relu5_3"' in file.attrs["fingerprint"]


def test_descriptors_that_are_not_kept_are_left_out(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts)
        consolidate(parts, keep=["max"], derived={"chosen": ("bilinear", extraction.columns)})
    with FeatureCache.open(tmp_path / "feats.h5") as cache:
        assert cache.descriptors == {"max": 40, "chosen": 5}


def test_the_parts_are_gone_and_the_same_command_has_nothing_to_do(extraction, tmp_path):
    out = extraction.run(tmp_path / "feats.h5")
    assert entries(tmp_path) == ["feats.h5"]
    before = out.stat()
    assert Parts.open(out, extraction.plan) is None
    assert entries(tmp_path) == ["feats.h5"]
    assert out.stat().st_mtime_ns == before.st_mtime_ns


def test_parts_left_by_a_kill_after_the_rename_are_removed(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
        shutil.copytree(parts_directory(out), tmp_path / "copy")
        consolidate(parts, keep=["max"])
    shutil.move(tmp_path / "copy", parts_directory(out))
    assert Parts.open(out, extraction.plan) is None
    assert entries(tmp_path) == ["feats.h5"]


def test_parts_of_another_run_survive_a_rerun_of_the_finished_one(make_extraction, tmp_path):
    finished, replacement = make_extraction(20), make_extraction(30)
    out = finished.run(tmp_path / "feats.h5")
    with Parts.open(out, replacement.plan, overwrite=True) as parts:
        replacement.write(parts)
    assert Parts.open(out, finished.plan) is None
    with Parts.open(out, replacement.plan, overwrite=True) as parts:
        assert parts.missing_shards() == []


def test_a_finished_file_of_other_settings_is_refused_and_replaced_on_request(make_extraction, tmp_path):
    old, new = make_extraction(20), make_extraction(30)
    out = old.run(tmp_path / "feats.h5")
    with pytest.raises(CacheError, match=r"made with other settings \(rows: 20 -> 30; samples: .*--overwrite"):
        Parts.open(out, new.plan)
    parts = Parts.open(out, new.plan, overwrite=True)
    with FeatureCache.open(out) as cache:
        assert cache.rows == 20
    parts.close()
    new.run(out, overwrite=True)
    with FeatureCache.open(out) as cache:
        assert cache.rows == 30


def test_a_foreign_file_is_not_overwritten_unasked(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    out.write_text("my notes")
    with pytest.raises(CacheError, match=r"not a feature cache.*--overwrite"):
        Parts.open(out, extraction.plan)
    assert out.read_text() == "my notes"
    extraction.run(out, overwrite=True)


def test_a_missing_shard_is_an_error(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts, [0, 1])
        with pytest.raises(CacheError, match="1 of 3 shards are missing"):
            consolidate(parts, keep=["max"])


def test_descriptors_that_were_not_computed_are_named(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts)
        with pytest.raises(UnknownNameError, match="did you mean bilinear"):
            consolidate(parts, keep=["bilinea"])
        for columns in (np.array([0, 1301]), np.array([-1]), np.array([], np.int64)):
            with pytest.raises(CacheError, match="not within 0 to 1300"):
                consolidate(parts, keep=["max"], derived={"chosen": ("bilinear", columns)})
        assert parts.missing_shards() == []


def test_a_shard_damaged_after_it_was_checked_never_reaches_the_file(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
        path = shard_path(out, 0)
        with h5py.File(path, "r") as file:
            offset = file["features/bilinear"].id.get_chunk_info(2).byte_offset
        data = bytearray(path.read_bytes())
        data[offset + 5] ^= 64
        path.write_bytes(data)
        with pytest.raises(CacheError, match=r"shard-000000\.h5: row \d+ of 'bilinear' does not match"):
            consolidate(parts, keep=["max", "bilinear"])
    assert entries(tmp_path) == ["feats.h5.parts"]
    extraction.run(out)
    assert entries(tmp_path) == ["feats.h5"]


def test_killed_at_random_moments_the_file_equals_that_of_an_unbroken_run(
    finished, extraction, tmp_path, process_script, read_datasets
):
    command = [sys.executable, "-c", process_script + "print('begun', flush=True)\nExtraction().run(out)", ""]
    chance, kills, delay = random.Random(3), 0, 0.0
    for attempt in range(5):
        out = tmp_path / str(attempt) / "feats.h5"
        command[-1] = str(out)
        started = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            if attempt == 0:
                started = time.monotonic()
                assert writer.wait() == 0
                delay = time.monotonic() - started
                continue
            time.sleep(chance.uniform(0, delay))
            writer.send_signal(signal.SIGKILL)
            kills += writer.wait() == -signal.SIGKILL
        extraction.run(out)
        assert entries(out.parent) == ["feats.h5"]
        assert read_datasets(out) == read_datasets(finished)
    assert kills >= 2


FILL_A_DISK = """
import resource
from birdnet_cli.core.errors import CacheError
extraction = Extraction()
parts = Parts.open(out, extraction.plan)
extraction.write(parts, [int(index) for index in sys.argv[3].split(",")])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    extraction.write(parts)
    consolidate(parts, keep=["max", "bilinear"], compress=sys.argv[4] == "gzip")
except CacheError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("limit", "written", "compress"),
    [(1_000_000, "2", "plain"), (2_000_000, "0,1,2", "plain"), (2_000_000, "0,1,2", "gzip"), (200, "0,1,2", "plain")],
)
def test_a_full_disk_ends_cleanly_and_finished_shards_stay(
    finished, extraction, tmp_path, process_script, read_datasets, limit, written, compress
):
    out = tmp_path / "feats.h5"
    command = [sys.executable, "-c", process_script + FILL_A_DISK, str(out), str(limit), written, compress]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert "cannot be written: File too large (" in run.stderr
    assert "finished shards are kept" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert entries(tmp_path) == ["feats.h5.parts"]
    assert not list(tmp_path.rglob("*.tmp"))
    with Parts.open(out, extraction.plan) as parts:
        assert parts.notices == ()
        assert len(parts.missing_shards()) == 3 - len(written.split(","))
    assert read_datasets(extraction.run(out)) == read_datasets(finished)


MEASURE_MEMORY = """
import resource
from birdnet_cli.core.cache import FeatureCache
parts = Parts.attach(out)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
consolidate(parts, keep=["huge"], derived={"chosen": ("huge", Extraction.columns)})
with FeatureCache.open(out) as cache:
    for _ in cache.blocks("huge", block_bytes=8 << 20, verify=True):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_consolidating_and_reading_need_memory_for_a_few_rows(make_plan, tmp_path, process_script):
    out, rows, dim = tmp_path / "feats.h5", 600, 131_328
    plan = make_plan(rows, {"huge": dim})
    block = np.random.default_rng(0).standard_normal((1, dim), np.float32)
    with Parts.open(out, plan) as parts:
        for index in range(plan.shards):
            n = len(plan.shard_range(index))
            parts.write_shard(
                index,
                features={"huge": np.broadcast_to(block, (n, dim))},
                status=np.zeros(n, np.uint8),
                errors=[""] * n,
                sha256=np.zeros((n, 32), np.uint8),
            )
    command = [sys.executable, "-c", process_script + MEASURE_MEMORY, str(out)]
    grown = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert out.stat().st_size > 157_000_000
    assert grown < 40_000  # KiB
