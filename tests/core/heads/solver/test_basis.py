import logging

import numpy as np
import pytest

from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.heads.solver import build_basis, measure_moments


def silent(_fraction: float) -> None:
    pass


@pytest.mark.parametrize("dim", [8, 40, 41, 300])
def test_rows_have_the_inner_products_of_the_centred_descriptors(array_source, make_problem, dim):
    x, _ = make_problem(40, dim, 3)
    source = array_source(x)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)

    basis = build_basis(source, measure_moments(source, standardize=False), progress=silent)

    assert basis.rows.shape == (40, min(dim, 40))
    assert basis.jitter == 0
    np.testing.assert_allclose((basis.rows @ basis.rows.mT).numpy() - basis.shift, centred @ centred.T, atol=1e-5)
    assert basis.mean_squared_norm == pytest.approx((centred**2).sum(axis=1).mean(), rel=1e-5)


def test_repeated_rows_are_factored_with_a_jitter_that_is_logged(array_source, make_problem, caplog):
    x, _ = make_problem(40, 300, 3)
    source = array_source(np.concatenate([x, x, x]))

    with caplog.at_level(logging.WARNING):
        basis = build_basis(source, measure_moments(source, standardize=False), progress=silent)

    assert 0 < basis.jitter <= 1e-5
    assert "the kernel matrix is singular" in caplog.text
    np.testing.assert_allclose(basis.rows[:40] @ basis.rows[:40].mT, basis.rows[80:] @ basis.rows[:40].mT, atol=2e-5)


@pytest.mark.parametrize("dim", [8, 300])
def test_equal_descriptors_are_an_error(array_source, dim):
    source = array_source(np.full((40, dim), 0.1, np.float32))

    with pytest.raises(DataError, match="all descriptors are equal"):
        build_basis(source, measure_moments(source, standardize=True), progress=silent)


@pytest.mark.parametrize("dim", [8, 300])
def test_norms_beyond_float32_are_an_error(array_source, make_problem, dim):
    source = array_source(make_problem(40, dim, 3)[0] * np.float32(1e20))

    with pytest.raises(NumericsError, match="overflows float32"):
        build_basis(source, measure_moments(source, standardize=False), progress=silent)
