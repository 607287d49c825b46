import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import SHARD_ROWS, Parts
from birdnet_cli.core.cache.layout import parts_directory, shard_path, state_path
from birdnet_cli.core.errors import CacheError, NumericsError


def write_one(parts: Parts, value: np.ndarray, *, status: int = 0, error: str = "") -> None:
    parts.write_shard(
        0,
        features={"max": value},
        status=np.full(len(value), status, np.uint8),
        errors=[error] * len(value),
        sha256=np.zeros((len(value), 32), np.uint8),
    )


def test_a_shard_is_512_images_and_the_last_one_shorter(extraction):
    assert [len(extraction.plan.shard_range(index)) for index in range(extraction.plan.shards)] == [512, 512, 76]


def test_a_new_extraction_lacks_every_shard_and_a_written_one_is_not_missing(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]
        extraction.write(parts, [1])
        assert parts.missing_shards() == [0, 2]


def test_output_directory_is_made(extraction, tmp_path):
    with Parts.open(tmp_path / "new" / "feats.h5", extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]


def test_output_that_is_a_directory_is_refused_at_the_start(extraction, tmp_path):
    with pytest.raises(CacheError, match="is a directory"):
        Parts.open(tmp_path, extraction.plan)


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_names_its_image_and_writes_nothing(make_plan, tmp_path, bad):
    values = np.zeros((5, 3), np.float32)
    values[3, 1] = bad
    with Parts.open(tmp_path / "feats.h5", make_plan(5, {"max": 3})) as parts:
        with pytest.raises(NumericsError, match=r"^3\.jpg: its descriptor 'max' is not finite"):
            write_one(parts, values)
        assert parts.missing_shards() == [0]
        assert not list(tmp_path.rglob("*.tmp"))


def test_float16_overflow_names_its_image_and_says_float32(make_plan, tmp_path):
    values = np.zeros((5, 3), np.float32)
    values[4, 2] = 65_505
    overflow = pytest.raises(NumericsError, match=r"^4\.jpg: its descriptor 'max' reaches 65505.*--dtype float32")
    with Parts.open(tmp_path / "a.h5", make_plan(5, {"max": 3})) as parts, overflow:
        write_one(parts, values)
    with Parts.open(tmp_path / "b.h5", make_plan(5, {"max": 3}, "float32")) as parts:
        write_one(parts, values)
        assert parts.missing_shards() == []


def test_a_failed_image_is_a_zero_row_whatever_was_computed(make_plan, tmp_path):
    with Parts.open(tmp_path / "feats.h5", make_plan(5, {"max": 3})) as parts:
        write_one(parts, np.full((5, 3), np.nan, np.float32), status=1, error="nul \0 and " + "é" * 2000)
        ((_, block, good),) = parts.rows("max")
        assert not block.any()
        assert not good.any()
        name, reason = parts.failures()[4]
        assert name == "4.jpg"
        assert reason.startswith("nul \\0 and éé")
        assert len(reason.encode()) <= 1000


def test_arrays_that_do_not_fit_the_plan_are_refused(make_plan, tmp_path):
    with Parts.open(tmp_path / "feats.h5", make_plan(5, {"max": 3})) as parts:
        for shape in ((5, 4), (4, 3)):
            with pytest.raises(CacheError, match="a shard was given shapes"):
                write_one(parts, np.zeros(shape, np.float32))


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


def test_state_is_kept_across_runs_and_added_to(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        assert parts.load_state() == {}
        parts.save_state({"max": {"mean": np.arange(3.0)}})
    with Parts.open(out, extraction.plan) as parts:
        parts.save_state({"bilinear": {"index": np.array([5, 2]), "scalar": np.array(7, np.int32)}})
        state = parts.load_state()
    assert {name: sorted(tensors) for name, tensors in state.items()} == {
        "max": ["mean"],
        "bilinear": ["index", "scalar"],
    }
    assert state["bilinear"]["index"].tolist() == [5, 2]
    assert state["bilinear"]["scalar"].dtype == np.int32
    assert state["bilinear"]["scalar"].shape == ()


def test_state_that_is_not_finite_or_not_numbers_is_refused(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        with pytest.raises(NumericsError, match="state 'max/mean' is not finite"):
            parts.save_state({"max": {"mean": np.array([1.0, np.nan])}})
        with pytest.raises(CacheError, match="state 'max/mean' is of type"):
            parts.save_state({"max": {"mean": np.array(["a"])}})
        assert parts.load_state() == {}


def test_damaged_state_is_refused(extraction, tmp_path):
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        parts.save_state({"max": {"mean": np.arange(100.0)}})
        path = state_path(parts.out)
        data = bytearray(path.read_bytes())
        data[data.index(np.float64(50).tobytes())] ^= 1
        path.write_bytes(data)
        with pytest.raises(CacheError, match=r"state\.h5: damaged .*--no-resume"):
            parts.load_state()


def test_one_image_is_a_whole_extraction(make_plan, tmp_path):
    with Parts.open(tmp_path / "feats.h5", make_plan(1, {"max": 1})) as parts:
        write_one(parts, np.ones((1, 1), np.float32))
        ((start, block, good),) = parts.rows("max")
    assert (start, block.tolist(), good.tolist()) == (0, [[1.0]], [True])


def test_exactly_one_shard_of_rows_has_one_shard(make_plan):
    assert make_plan(SHARD_ROWS, {"max": 1}).shards == 1
    assert make_plan(SHARD_ROWS + 1, {"max": 1}).shards == 2
