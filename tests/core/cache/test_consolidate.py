import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts, consolidate
from birdnet_cli.core.cache.layout import shard_path
from birdnet_cli.core.errors import CacheError, UnknownNameError

ROOT = Path(__file__).parents[3]


def test_descriptors_that_are_not_kept_are_left_out(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts)
        consolidate(parts, keep=["max"], derived={"chosen": ("bilinear", extraction.columns)})
    with FeatureCache.open(tmp_path / "feats.h5") as cache:
        assert cache.descriptors == {"max": 40, "chosen": 5}


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


def test_a_shard_damaged_after_it_was_checked_never_reaches_the_file(entries, extraction, tmp_path):
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
    entries, finished, extraction, tmp_path, process_script, read_datasets
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
