import pytest

from birdnet_cli.core.bench.ops import create_op_bench, list_contenders, list_op_benches
from birdnet_cli.core.errors import UnknownNameError


def test_every_op_has_the_baseline_among_its_contenders() -> None:
    assert list_op_benches() == ["bilinear_pool", "compact_bilinear_pool", "fb_quadratic"]
    for op in list_op_benches():
        assert "eager" in list_contenders([op])


def test_an_unknown_op_names_its_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="unknown op 'fb_quadratik': did you mean fb_quadratic"):
        create_op_bench("fb_quadratik")


def test_contenders_of_all_ops_are_listed_once() -> None:
    names = list_contenders(list_op_benches())
    assert names.count("eager") == 1
    assert {"compile", "outer", "fft"} <= set(names)
