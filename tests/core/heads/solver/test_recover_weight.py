import numpy as np
import pytest
import torch

from birdnet_cli.core.heads.solver import Moments, build_basis, measure_moments, recover_weight, uncentre


def silent(_fraction: float) -> None:
    pass


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dim", [8, 300])
def test_recovered_head_gives_the_logits_of_the_basis_on_raw_descriptors(array_source, make_problem, dim, standardize):
    x, _ = make_problem(40, dim, 3)
    source = array_source(x)
    moments = measure_moments(source, standardize=standardize)
    basis = build_basis(source, moments, progress=silent)
    generator = torch.Generator().manual_seed(0)
    # In the span of the rows, as every solution is.
    weight = (basis.rows.mT @ torch.randn(40, 3, generator=generator)).double()
    bias = torch.randn(3, generator=generator).double()

    full, offset = recover_weight(basis, source, moments, weight=weight, bias=bias, progress=silent)

    assert full.shape == (3, dim)
    expected = (basis.rows.double() @ weight + bias).numpy()
    np.testing.assert_allclose(x @ full.numpy().T + offset.numpy(), expected, atol=2e-4 * np.abs(expected).max())


def test_uncentring_moves_mean_and_scale_into_weight_and_bias():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    moments = Moments(np.array([1.0, -2.0, 0.5], np.float32), np.array([2.0, 0.0, 0.25], np.float32))
    weight, bias = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=4)
    expected = ((x - moments.mean) * moments.scale) @ weight.T + bias

    W, b = uncentre(torch.from_numpy(weight.copy()), torch.from_numpy(bias), moments)

    np.testing.assert_allclose(x @ W.numpy().T + b.numpy(), expected, atol=1e-5)
    assert (W[:, 1] == 0).all()  # the constant feature
