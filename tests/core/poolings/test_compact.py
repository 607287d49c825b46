import numpy as np
import pytest
import torch
from torch import Tensor

from birdnet_cli.core.poolings.compact import RandomMaclaurin, TensorSketch

SKETCHES = [TensorSketch, RandomMaclaurin]


def feature_maps(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_random_maclaurin_is_the_sum_over_positions_of_products_of_two_projections():
    x = feature_maps(3, 7, 4, 5)
    pooling = RandomMaclaurin(7, dim=11, seed=3)
    first, second = pooling.projections.double()

    expected = torch.zeros(3, 11, dtype=torch.float64)
    for n in range(3):
        for p in range(20):
            position = x[n].flatten(1)[:, p]
            expected[n] += (first @ position) * (second @ position) / 11**0.5
    torch.testing.assert_close(pooling.sketch(x), expected)


@pytest.mark.parametrize("sketch", SKETCHES)
def test_inner_products_of_sketches_estimate_those_of_gram_matrices_without_bias(sketch):
    x, y = feature_maps(2, 6, 3, 3).split(1)
    grams = [(images[0].flatten(1) @ images[0].flatten(1).T).numpy() for images in (x, y)]
    exact = float((grams[0] * grams[1]).sum())

    estimates = []
    for seed in range(100):
        pooling = sketch(6, dim=64, seed=seed)
        estimates.append(float((pooling.sketch(x) * pooling.sketch(y)).sum()))

    standard_error = np.std(estimates) / np.sqrt(len(estimates))
    assert standard_error < 0.2 * exact
    assert abs(np.mean(estimates) - exact) < 3 * standard_error


@pytest.mark.parametrize("sketch", SKETCHES)
def test_the_estimate_gets_closer_with_more_dimensions(sketch):
    x, y = feature_maps(2, 6, 3, 3).split(1)

    def spread(dim: int) -> float:
        poolings = [sketch(6, dim=dim, seed=seed) for seed in range(40)]
        return float(np.std([float((pooling.sketch(x) * pooling.sketch(y)).sum()) for pooling in poolings]))

    assert spread(1024) < spread(16) / 3


@pytest.mark.parametrize("sketch", SKETCHES)
def test_the_descriptor_is_the_signed_root_of_the_sketch_with_unit_norm(sketch):
    pooling = sketch(6, dim=32, seed=0)
    x = feature_maps(2, 6, 3, 3)
    values = pooling.sketch(x)

    root = values.sign() * values.abs().sqrt()
    torch.testing.assert_close(pooling(x), root / root.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("sketch", SKETCHES)
def test_the_seed_decides_the_projection_and_the_global_generator_does_not(sketch):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = sketch(6, dim=32, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = sketch(6, dim=32, seed=5).state_dict(), sketch(6, dim=32, seed=6).state_dict()

    for name, value in first.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, other[name])


@pytest.mark.parametrize("sketch", SKETCHES)
def test_an_all_zero_map_gives_the_zero_vector_with_gradient_zero(sketch):
    x = torch.zeros(1, 6, 3, 3, requires_grad=True)
    descriptor = sketch(6, dim=32, seed=0)(x)
    descriptor.sum().backward()

    assert not descriptor.any()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize("sketch", SKETCHES)
def test_gradient_equals_finite_differences(sketch):
    pooling = sketch(4, dim=9, seed=0)

    assert torch.autograd.gradcheck(pooling, feature_maps(2, 4, 2, 2).requires_grad_())
