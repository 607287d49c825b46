import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts

ROOT = Path(__file__).parents[3]


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
    entries, finished, extraction, tmp_path, process_script, read_datasets, limit, written, compress
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
