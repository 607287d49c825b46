"""The Factorized Bilinear layer and head: structure, DropFactor's scaling, evaluation, initial values."""

import copy

import pytest
import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.heads import FactorizedBilinear, FactorizedBilinearHead
from birdnet_cli.core.heads.factorized_bilinear import ConvGeometry, FactorDropping


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def quadratic(x: Tensor, F: Tensor, *, diagonal: bool, scale: Tensor | float = 1.0) -> Tensor:
    """[N, C, H, W] and [O, K, C] -> [N, O, H, W], by the definition."""
    x, F = x.double(), F.double()
    square = torch.einsum("okc,nchw->nokhw", F, x).square()
    if not diagonal:
        square = square - torch.einsum("okc,nchw->nokhw", F.square(), x.square())
    return (square * torch.as_tensor(scale).view(-1, 1, 1)).sum(2)


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_the_layer_is_the_form_plus_a_bias(diagonal):
    layer = FactorizedBilinear(6, 4, factors=3, diagonal=diagonal)
    nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
    x = draw(2, 6, 5, 3)

    expected = quadratic(x, layer.weight.flatten(2), diagonal=diagonal) + layer.bias.double()[:, None, None]

    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-4, atol=1e-5)


def test_the_fully_connected_form_is_the_convolution_of_one_position():
    layer = FactorizedBilinear(6, 4, factors=3, dropping=FactorDropping(drop_prob=0.5))
    x = draw(7, 6)
    connected = layer(x)
    layer.drop.reset()

    torch.testing.assert_close(connected, layer(x[..., None, None])[..., 0, 0])


def test_geometry_is_that_of_a_convolution():
    geometry = {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    layer = FactorizedBilinear(6, 4, factors=3, diagonal=True, bias=False, geometry=ConvGeometry(**geometry))
    convolution = nn.Conv2d(6, 12, bias=False, **geometry)
    convolution.weight = nn.Parameter(layer.weight.detach().flatten(0, 1))
    x = draw(2, 6, 9, 8)

    expected = convolution(x).unflatten(1, (4, 3)).square().sum(2)

    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_training_scales_what_is_kept_and_drops_the_diagonal_with_its_factor(diagonal):
    layer = FactorizedBilinear(6, 4, factors=8, diagonal=diagonal, bias=False, dropping=FactorDropping(drop_prob=0.5))
    x = draw(2, 6, 5, 3)
    layer.drop.reseed(1)
    scale = layer.drop(len(x))
    layer.drop.reseed(1)

    expected = quadratic(x, layer.weight.flatten(2), diagonal=diagonal, scale=scale)

    assert 0 < (scale > 0).sum() < 8
    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-4, atol=1e-5)


def test_masks_of_samples_drop_different_factors_of_each():
    layer = FactorizedBilinear(6, 4, factors=8, bias=False, dropping=FactorDropping(drop_prob=0.5, mask="sample"))
    x = draw(1, 6, 5, 3).expand(16, -1, -1, -1)
    layer.drop.reseed(1)
    scale = layer.drop(len(x))
    layer.drop.reseed(1)

    form = layer(x)

    for sample, s in zip(form, scale, strict=True):
        expected = quadratic(x[:1], layer.weight.flatten(2), diagonal=False, scale=s)[0]
        torch.testing.assert_close(sample.double(), expected, rtol=1e-4, atol=1e-5)


def test_the_mean_of_training_is_evaluation():
    layer = FactorizedBilinear(
        6, 1, factors=10, diagonal=True, bias=False, dropping=FactorDropping(drop_prob=0.5, mask="sample")
    )
    x = draw(1, 6)
    trained = layer(x.expand(4000, -1))

    evaluated = layer.eval()(x)

    assert (trained.mean() - evaluated).abs() < 5 * trained.std() / 4000**0.5


@pytest.mark.parametrize("drop_prob", [0.0, 0.5, 0.8])
def test_test_scale_keep_evaluates_as_the_authors_do(drop_prob):
    # Their mask is sqrt(1 / keep) times a Bernoulli in training and sqrt(keep) in evaluation, and acts twice.
    layer = FactorizedBilinear(6, 4, factors=8, dropping=FactorDropping(drop_prob=drop_prob, test_scale="keep")).eval()
    nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
    x = draw(2, 6, 5, 3)
    F = layer.weight.detach().flatten(2) * (1 - drop_prob) ** 0.5

    expected = quadratic(x, F, diagonal=False) + layer.bias.double()[:, None, None]

    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-4, atol=1e-5)


def test_without_factors_the_layer_is_its_bias_and_the_head_is_linear():
    layer = FactorizedBilinear(6, 4, factors=0, dropping=FactorDropping(drop_prob=0.5))
    head = FactorizedBilinearHead(6, 4, factors=0)
    x = draw(2, 6, 5, 3)

    assert torch.equal(layer(x), torch.zeros(2, 4, 5, 3))
    torch.testing.assert_close(head(x), head.linear(x).mean((2, 3)))


def test_a_drop_probability_near_one_leaves_linear_term_and_bias():
    head = FactorizedBilinearHead(6, 4, factors=8, drop_prob=1 - 1e-12)
    nn.init.normal_(head.quadratic.bias, generator=torch.Generator().manual_seed(1))
    x = draw(2, 6, 5, 3)
    expected = head.linear(x).mean((2, 3)) + head.quadratic.bias

    logits = head(x)
    logits.square().sum().backward()

    torch.testing.assert_close(logits, expected)
    assert torch.equal(head.quadratic.weight.grad, torch.zeros_like(head.quadratic.weight))
    assert head.linear.weight.grad.any()


def test_the_head_averages_linear_and_quadratic_scores():
    head = FactorizedBilinearHead(6, 4, factors=3, drop_prob=0.0)
    x = draw(2, 6, 5, 3).tanh()

    expected = (head.linear(x) + head.quadratic(x)).mean((2, 3))

    torch.testing.assert_close(head(x), expected)
    assert [tuple(parameter.shape) for parameter in head.parameters()] == [(4, 6, 1, 1), (4,), (4, 3, 6, 1, 1), (4,)]


def test_initial_factors_are_he_normal_over_all_their_inputs_and_biases_zero():
    layer = FactorizedBilinear(64, 20, factors=16, geometry=ConvGeometry(kernel_size=3))

    std = (2 / (16 * 64 * 9)) ** 0.5
    assert abs(layer.weight.std().item() / std - 1) < 0.02
    assert layer.weight.mean().abs().item() < 5 * std / layer.weight.numel() ** 0.5
    assert not layer.bias.any()


def test_rotating_the_factors_leaves_the_function_and_its_gradient_alone():
    layer = FactorizedBilinear(6, 4, factors=5)
    rotated = copy.deepcopy(layer)
    Q, _ = torch.linalg.qr(draw(5, 5))
    rotated.weight = nn.Parameter(torch.einsum("jk,okcab->ojcab", Q, layer.weight.detach()))
    x, other = draw(2, 6, 3, 3).requires_grad_(), draw(2, 6, 3, 3).requires_grad_()

    torch.testing.assert_close(rotated(other), layer(x), rtol=1e-4, atol=1e-5)
    layer(x).square().sum().backward()
    rotated(other).square().sum().backward()
    torch.testing.assert_close(other.grad, x.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [FactorizedBilinear, FactorizedBilinearHead])
def test_building_depends_on_the_seed_alone(make):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = make(6, 4, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same, other = make(6, 4, seed=3).state_dict(), make(6, 4, seed=4).state_dict()

    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_under_autocast_products_are_half_precision_and_scores_float32():
    head = FactorizedBilinearHead(33, 4, factors=8, drop_prob=0.0)
    x = draw(2, 33, 5, 3).tanh()
    expected = head(x)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(x)
    logits.sum().backward()

    assert logits.dtype == torch.float32
    assert not torch.equal(logits, expected)
    torch.testing.assert_close(logits, expected, rtol=2e-2, atol=2e-2)
    assert all(
        parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all() for parameter in head.parameters()
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_head_in_half_precision_squares_and_averages_in_float32(dtype):
    head = FactorizedBilinearHead(33, 4, factors=8, drop_prob=0.5)
    x = draw(2, 33, 5, 3).tanh()
    head.quadratic.drop.reset()
    expected = head(x)
    head.quadratic.drop.reset()

    logits = head.to(dtype)(x.to(dtype))

    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=3e-2, atol=3e-2)


def test_the_head_compiles_in_one_graph():
    head = FactorizedBilinearHead(6, 4, factors=8)
    x = draw(2, 6, 5, 3).tanh()
    expected = head(x)
    head.quadratic.drop.reset()

    torch.testing.assert_close(torch.compile(head, fullgraph=True, backend="aot_eager")(x), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"geometry": ConvGeometry(groups=4)}, "groups=4 does not divide 6 input and 4 output channels"),
        ({"geometry": ConvGeometry(groups=0)}, "groups=0"),
        ({"factors": -1}, "factors: expected a number of at least 0, got -1"),
        ({"dropping": FactorDropping(test_scale="half")}, "test_scale: expected 'none' or 'keep', got 'half'"),
        ({"dropping": FactorDropping(drop_prob=1.0)}, "drop_prob"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        FactorizedBilinear(6, 4, **settings)


def test_a_layer_with_a_larger_kernel_refuses_descriptors():
    with pytest.raises(UsageError, match=r"a kernel of 1x1 and one group takes \[N, C\]"):
        FactorizedBilinear(6, 4, geometry=ConvGeometry(kernel_size=2))(draw(3, 6))
