import re
import shutil
from dataclasses import replace

import h5py
import pytest

from birdnet_cli.core.cache import FeatureCache, Parts, consolidate
from birdnet_cli.core.cache.layout import parts_directory, shard_path
from birdnet_cli.core.errors import CacheError


def test_output_directory_is_made(extraction, tmp_path):
    with Parts.open(tmp_path / "new" / "feats.h5", extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]


def test_output_that_is_a_directory_is_refused_at_the_start(extraction, tmp_path):
    with pytest.raises(CacheError, match="is a directory"):
        Parts.open(tmp_path, extraction.plan)


def test_a_rerun_keeps_finished_shards(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts, [0, 2])
    with Parts.open(out, replace(extraction.plan, provenance={"fbn": "2"})) as parts:
        assert parts.missing_shards() == [1]
        assert parts.notices == ()


def test_other_settings_are_refused_with_the_fields_that_differ(extraction, tmp_path):
    out, plan = tmp_path / "feats.h5", extraction.plan
    with Parts.open(out, plan) as parts:
        extraction.write(parts, [0])
    changed = {**plan.fingerprint, "layer": "relu4_3", "transform": {"image_size": 448, "resize": "squash"}}
    other = replace(plan, fingerprint=changed, dtype="float32", descriptors={"max": 40})
    expected = (
        "was begun with other settings (descriptors.bilinear: 1301 -> absent; dtype: float16 -> float32; "
        "layer: relu5_3 -> relu4_3; transform.image_size: 224 -> 448): rerun with those to finish it, "
        "pass --overwrite to replace it, or choose another -o"
    )
    for resume in (True, False):
        with pytest.raises(CacheError, match=re.escape(expected)):
            Parts.open(out, other, resume=resume)
    other = replace(plan, fingerprint=changed)
    with Parts.open(out, other, overwrite=True) as parts:
        assert parts.missing_shards() == [0, 1, 2]
        assert Parts.attach(out).plan == other


def test_overwrite_still_resumes_a_run_with_the_same_settings_and_no_resume_does_not(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts, [0])
    with Parts.open(out, extraction.plan, overwrite=True) as parts:
        assert parts.missing_shards() == [1, 2]
    with Parts.open(out, extraction.plan, resume=False) as parts:
        assert parts.missing_shards() == [0, 1, 2]


def test_an_unreadable_plan_is_refused_unless_overwritten(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    Parts.open(out, extraction.plan).close()
    (parts_directory(out) / "plan.json").write_bytes(b"{\xff")
    with pytest.raises(CacheError, match=r"plan\.json: .*--overwrite"):
        Parts.open(out, extraction.plan)
    with Parts.open(out, extraction.plan, overwrite=True) as parts:
        assert parts.missing_shards() == [0, 1, 2]


def test_shards_without_a_plan_are_not_trusted(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
    (parts_directory(out) / "plan.json").unlink()
    with Parts.open(out, extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]


@pytest.mark.parametrize("damage", ["flip a value", "flip a status", "truncate", "empty", "another shape"])
def test_a_damaged_shard_is_noticed_and_missing_again(extraction, tmp_path, damage):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
    path = shard_path(out, 1)
    data = bytearray(path.read_bytes())
    with h5py.File(path, "r") as file:
        value = file["features/bilinear"].id.get_chunk_info(5).byte_offset
        status = file["status"].id.get_offset()
    if damage.startswith("flip"):
        data[value if damage == "flip a value" else status] ^= 1
        path.write_bytes(data)
    elif damage == "another shape":
        path.write_bytes(shard_path(out, 2).read_bytes())
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "truncate" else b"")
    with Parts.open(out, extraction.plan) as parts:
        assert parts.missing_shards() == [1]
        (notice,) = parts.notices
        assert notice.startswith("images 512 to 1023 will be computed again: ")
        extraction.write(parts)
        assert parts.missing_shards() == []


def test_temporaries_of_dead_writers_are_removed(extraction, tmp_path):
    out = tmp_path / "feats[1].h5"
    Parts.open(out, extraction.plan).close()
    leftovers = [parts_directory(out) / ".shard-000000.h5.4.tmp", tmp_path / ".feats[1].h5.4.tmp"]
    stranger = tmp_path / ".other.h5.4.tmp"
    for path in (*leftovers, stranger):
        path.write_bytes(b"half")
    Parts.open(out, extraction.plan).close()
    assert not any(path.exists() for path in leftovers)
    assert stranger.exists()


def test_the_parts_are_gone_and_the_same_command_has_nothing_to_do(entries, extraction, tmp_path):
    out = extraction.run(tmp_path / "feats.h5")
    assert entries(tmp_path) == ["feats.h5"]
    before = out.stat()
    assert Parts.open(out, extraction.plan) is None
    assert entries(tmp_path) == ["feats.h5"]
    assert out.stat().st_mtime_ns == before.st_mtime_ns


def test_parts_left_by_a_kill_after_the_rename_are_removed(entries, extraction, tmp_path):
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
