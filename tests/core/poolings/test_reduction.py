import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError, UsageError
from birdnet_cli.core.poolings import PcaAccumulator, Reduction


def feature_maps(*shape: int, seed: int = 0) -> Tensor:
    """Correlated channels of different variance with a common mean."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(shape[1], shape[1], generator=torch.Generator().manual_seed(99))
    x = torch.randn(shape, generator=generator)
    return torch.einsum("dc,nchw->ndhw", mix * torch.linspace(0.2, 2, shape[1]), x) + 3


def stacked_positions(maps: list[Tensor]) -> np.ndarray:
    return np.concatenate([images.numpy().astype(np.float64).transpose(0, 2, 3, 1).reshape(-1, 7) for images in maps])


def accumulated(maps: list[Tensor]) -> PcaAccumulator:
    accumulator = PcaAccumulator(7)
    for images in maps:
        accumulator.update(images)
    return accumulator


@pytest.mark.parametrize("center", [True, False])
def test_streamed_pca_equals_eigenvectors_of_the_stacked_positions(center):
    maps = [feature_maps(2, 7, 3, 5), feature_maps(1, 7, 4, 4, seed=1), feature_maps(0, 7, 3, 3)]
    positions = stacked_positions(maps)
    mean = positions.mean(0) if center else np.zeros(7)
    _, vectors = np.linalg.eigh((positions - mean).T @ (positions - mean))

    weight, bias = accumulated(maps).fit(3, center=center)

    assert weight.dtype == bias.dtype == torch.float32
    for row, vector in zip(weight.numpy(), vectors.T[::-1][:3], strict=True):
        np.testing.assert_allclose(row, vector * np.sign(vector[np.abs(vector).argmax()]), atol=1e-6)
    np.testing.assert_allclose(bias.numpy(), -weight.numpy() @ mean, rtol=1e-5, atol=1e-6)


def test_centred_positions_have_mean_zero_and_uncorrelated_channels_of_falling_variance():
    maps = [feature_maps(4, 7, 5, 5)]
    reduction = Reduction(7, reduced=4)
    reduction.load(*accumulated(maps).fit(4))

    reduced = reduction(maps[0]).detach().movedim(1, -1).flatten(0, 2).double()

    covariance = reduced.T.cov()
    torch.testing.assert_close(reduced.mean(0), torch.zeros(4, dtype=torch.float64), atol=1e-5, rtol=0)
    torch.testing.assert_close(covariance, covariance.diag().diag(), atol=1e-4, rtol=0)
    assert covariance.diag().diff().lt(0).all()


def test_a_large_common_mean_costs_no_digits():
    maps = [feature_maps(2, 7, 6, 6, seed=seed) for seed in range(4)]
    expected = accumulated(maps).fit(7)[0]

    weight, _ = accumulated([images.double() + 1e6 for images in maps]).fit(7)

    torch.testing.assert_close(weight, expected, atol=1e-5, rtol=0)


def test_the_order_of_batches_changes_nothing_but_rounding():
    maps = [feature_maps(2, 7, 6, 6, seed=seed) for seed in range(4)]

    torch.testing.assert_close(accumulated(maps).fit(7), accumulated(maps[::-1]).fit(7))


def test_positions_are_counted_in_any_memory_layout():
    maps = feature_maps(2, 7, 3, 5)
    accumulator = accumulated([maps.contiguous(memory_format=torch.channels_last)])

    assert accumulator.count == 30
    torch.testing.assert_close(accumulator.fit(7), accumulated([maps]).fit(7))


def test_a_map_that_is_not_finite_is_refused():
    x = feature_maps(1, 7, 3, 3)
    x[0, 2, 1, 1] = torch.nan

    with pytest.raises(
        NumericsError, match="the feature map holds NaN or infinity: the 1x1 reduction cannot be fitted"
    ):
        PcaAccumulator(7).update(x)


@pytest.mark.parametrize("reduced", [0, 6, 8])
def test_more_directions_than_positions_or_channels_are_refused(reduced):
    accumulator = PcaAccumulator(7)
    accumulator.update(feature_maps(1, 7, 1, 5))

    with pytest.raises(UsageError, match=f"cannot fit {reduced} directions to 5 positions of 7 channels"):
        accumulator.fit(reduced)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_a_reduction_projects_every_position(dtype):
    x = feature_maps(2, 7, 3, 5).to(dtype)
    reduction = Reduction(7, reduced=3)
    weight, bias = torch.randn(3, 7), torch.randn(3)
    reduction.load(weight, bias)

    reduced = reduction(x.contiguous(memory_format=torch.channels_last))

    assert reduced.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    expected = torch.einsum("dc,nchw->ndhw", weight.double(), x.double()) + bias.double()[:, None, None]
    torch.testing.assert_close(reduced.double(), expected, atol=1e-4, rtol=1e-5)
    assert reduction(x[:0]).shape == (0, 3, 3, 5)


def test_an_unfitted_reduction_refuses_to_run_until_it_is_loaded():
    reduction = Reduction(7, reduced=3)
    fitted = copy.deepcopy(reduction)
    fitted.load(torch.ones(3, 7), torch.zeros(3))

    with pytest.raises(UsageError, match="the 1x1 reduction is not fitted: fit it on training images or load a model"):
        reduction(torch.ones(1, 7, 2, 2))
    reduction.load_state_dict(fitted.state_dict())
    assert torch.equal(reduction(torch.ones(1, 7, 2, 2)), torch.full((1, 3, 2, 2), 7.0))


def test_loading_an_unfitted_state_leaves_a_reduction_unfitted():
    reduction = Reduction(7, reduced=3)
    reduction.load_state_dict(Reduction(7, reduced=3).state_dict())

    with pytest.raises(UsageError, match="not fitted"):
        reduction(torch.ones(1, 7, 2, 2))


def test_weight_and_bias_can_be_trained_on():
    reduction = Reduction(7, reduced=3)
    reduction.load(torch.ones(3, 7), torch.zeros(3))
    reduction(torch.ones(1, 7, 2, 2)).sum().backward()

    assert [name for name, _ in reduction.named_parameters()] == ["weight", "bias"]
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in reduction.parameters())


def test_a_reduction_to_more_channels_is_refused():
    with pytest.raises(UsageError, match="cannot reduce 7 channels to 8: reduce to 7 or fewer"):
        Reduction(7, reduced=8)
