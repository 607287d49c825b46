import numpy as np
import pytest

from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.heads.solver import measure_moments
from birdnet_cli.core.heads.solver.row_source import centred_chunks


@pytest.mark.parametrize("block", [1, 7, 100])
def test_chunks_in_order_are_the_centred_rows(array_source, make_problem, block):
    x, _ = make_problem(23, 11, 3)
    source = array_source(x, block=block)
    moments = measure_moments(source, standardize=False)

    chunks = [(start, rows.clone()) for start, rows in centred_chunks(source, moments)]

    assert [start for start, _ in chunks] == list(np.cumsum([0] + [len(rows) for _, rows in chunks])[:-1])
    np.testing.assert_allclose(np.concatenate([rows for _, rows in chunks]), x - x.mean(0), atol=1e-6)


@pytest.mark.parametrize("stop", [0, 3, 7, 22, 23])
def test_chunks_end_at_the_row_asked_for(array_source, make_problem, stop):
    source = array_source(make_problem(23, 11, 3)[0])
    moments = measure_moments(source, standardize=False)

    assert sum(len(rows) for _, rows in centred_chunks(source, moments, stop=stop)) == stop


def test_a_block_larger_than_the_budget_is_cut(array_source, make_problem, monkeypatch):
    x, _ = make_problem(23, 11, 3)
    source = array_source(x, block=23)
    moments = measure_moments(source, standardize=False)
    monkeypatch.setattr("birdnet_cli.core.heads.solver.row_source.CHUNK_BYTES", 5 * 11 * 4)

    assert [len(rows) for _, rows in centred_chunks(source, moments)] == [5, 5, 5, 5, 3]


def test_standardized_features_have_variance_one(array_source, make_problem):
    x, _ = make_problem(40, 11, 3)
    source = array_source(x * np.logspace(-3, 3, 11, dtype=np.float32))

    moments = measure_moments(source, standardize=True)

    rows = np.concatenate([rows.numpy().copy() for _, rows in centred_chunks(source, moments)])
    np.testing.assert_allclose(rows.std(axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_feature_that_never_varies_has_scale_exactly_zero(array_source, make_problem, value):
    x, _ = make_problem(40, 3, 2)
    x[:, 1] = value

    scale = measure_moments(array_source(x), standardize=True).scale

    assert scale is not None
    assert scale[1] == 0
    assert (scale[[0, 2]] > 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_row_and_feature(array_source, make_problem, value):
    x, _ = make_problem(40, 5, 2)
    x[31, 4] = value

    with pytest.raises(
        NumericsError, match=rf"^row 31 of the descriptors: expected finite values, got {value} at feature 4"
    ):
        measure_moments(array_source(x), standardize=False)


def test_a_sum_that_overflows_is_not_blamed_on_a_row(array_source):
    x = np.full((4, 2), 3e38, np.float32)

    with pytest.raises(NumericsError, match=r"rows 0 to 3 .* overflows float32"):
        measure_moments(array_source(x), standardize=False)


def test_a_source_that_ends_early_is_an_error(array_source, make_problem):
    source = array_source(make_problem(20, 5, 2)[0])
    source.rows = 25

    with pytest.raises(DataError, match="expected 25 rows of descriptors, the source yielded 20"):
        measure_moments(source, standardize=False)
