"""Residual blocks: what they add up, where they shrink the map, and how images are normalised."""

import pytest
import torch
from torch import nn

from birdnet_cli.core.networks.residual import Block, DataNorm, build_cifar_resnet, build_imagenet_resnet


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def silence(block: Block) -> None:
    """Let the last convolution of the body give zeros."""
    nn.init.zeros_(block.body[-1].weight)


def test_a_block_without_a_projection_adds_its_input_as_it_came() -> None:
    block = Block(4, [(2, 1, 1), (4, 3, 1)], project=False, bias=False, eps=1e-5)
    silence(block)
    x = noise(2, 4, 6, 6)
    assert torch.equal(block(x.clone()), x)


def test_a_projection_sees_the_activated_input_and_shrinks_it_with_the_body() -> None:
    block = Block(4, [(2, 1, 2), (2, 3, 1), (8, 1, 1)], project=True, bias=False, eps=1e-5).eval()
    silence(block)
    x = noise(2, 4, 6, 6)
    # In eval mode a new norm divides by sqrt(1 + eps) alone; a 1x1 convolution of stride 2 sees every second pixel.
    activated = (x / (1 + 1e-5) ** 0.5).clamp(min=0)[:, :, ::2, ::2]
    expected = torch.einsum("nchw,dc->ndhw", activated, block.projection.weight[:, :, 0, 0])
    torch.testing.assert_close(block(x), expected)


def test_a_body_normalises_and_activates_before_each_convolution() -> None:
    block = Block(4, [(6, 1, 1), (4, 3, 1)], project=False, bias=True, eps=1e-5)
    kinds = [type(layer) for layer in (block.norm, block.relu, *block.body)]
    assert kinds == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d] * 2
    assert block.body[0].bias is not None


def test_images_are_normalised_by_channel_and_shifted_by_a_learned_value() -> None:
    norm = DataNorm()
    assert [name for name, _ in norm.named_parameters()] == ["shift"]
    with torch.no_grad():
        norm.shift.copy_(torch.tensor([1.0, 2.0, 3.0]))
    normalised = norm(noise(8, 3, 16, 16) * 60 + 100)
    assert normalised.mean((0, 2, 3)).tolist() == pytest.approx([1, 2, 3], abs=1e-4)
    assert normalised.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-3)


def test_cifar_stages_quarter_the_map_at_its_first_1x1_convolution() -> None:
    features, channels = build_cifar_resnet(blocks=2, width=4)
    assert channels == 64
    sides = [features[: stage + 1](noise(1, 3, 32, 32)).shape[1:] for stage in range(1, 4)]
    assert sides == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert [stage[0].body[0].stride[0] for stage in features[1:4]] == [1, 2, 2]
    # The first block of every stage has a projection, the others have none.
    assert [[block.projection is not None for block in stage] for stage in features[1:4]] == [[True, False]] * 3


@pytest.mark.parametrize(("bottleneck", "channels", "strided"), [(False, 32, 0), (True, 128, 3)])
def test_imagenet_stages_halve_the_map_at_their_first_3x3_convolution(
    bottleneck: bool, channels: int, strided: int
) -> None:
    features, found = build_imagenet_resnet(blocks=(1, 1, 1, 1), width=4, bottleneck=bottleneck)
    assert found == channels
    assert features(noise(2, 3, 64, 64)).shape == (2, channels, 2, 2)
    convolutions = features.stage2[0].body[strided]
    assert (convolutions.kernel_size, convolutions.stride) == ((3, 3), (2, 2))
    assert all(layer.bias is None for layer in features.modules() if isinstance(layer, nn.Conv2d))
