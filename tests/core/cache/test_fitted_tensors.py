import numpy as np
import pytest

from birdnet_cli.core.cache import Parts
from birdnet_cli.core.cache.layout import state_path
from birdnet_cli.core.errors import CacheError, NumericsError


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
