import numpy as np
import pytest

from birdnet_cli.core.cache import Parts
from birdnet_cli.core.errors import CacheError, NumericsError


def write_one(parts: Parts, value: np.ndarray, *, status: int = 0, error: str = "") -> None:
    parts.write_shard(
        0,
        features={"max": value},
        status=np.full(len(value), status, np.uint8),
        errors=[error] * len(value),
        sha256=np.zeros((len(value), 32), np.uint8),
    )


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


def test_one_image_is_a_whole_extraction(make_plan, tmp_path):
    with Parts.open(tmp_path / "feats.h5", make_plan(1, {"max": 1})) as parts:
        write_one(parts, np.ones((1, 1), np.float32))
        ((start, block, good),) = parts.rows("max")
    assert (start, block.tolist(), good.tolist()) == (0, [[1.0]], [True])
