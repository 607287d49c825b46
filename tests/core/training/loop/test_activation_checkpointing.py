"""Recomputed activations give the same gradients and statistics with fewer tensors kept."""

import pytest
import torch
from torch import Tensor, nn

from birdnet_cli.core.backbones import IMAGENET, Backbone, create_backbone, resolve_weights
from birdnet_cli.core.backbones.torchvision_models import TracedBackbone
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.training.loop.activation_checkpointing import recompute_activations

NETWORKS = [("vgg16", "relu3_3", 32), ("resnet18", None, 32), ("densenet121", "features.denseblock1", 32)]


def run(name: str, layer: str | None, side: int, *, recompute: bool) -> tuple[Backbone, Tensor, int]:
    """Return a backbone after a forward and a backward pass, its output, and the bytes kept between the passes."""
    backbone = create_backbone(name, layer=layer, weights=resolve_weights(name, "none")).train()
    images = torch.randint(256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = sum(parameter.untyped_storage().nbytes() for parameter in backbone.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = recompute_activations(backbone)(images) if recompute else backbone(images)
    output.square().mean().backward()  # type: ignore[no-untyped-call]
    return backbone, output.detach(), sum(kept.values()) - weights


@pytest.mark.parametrize(("name", "layer", "side"), NETWORKS, ids=[name for name, _, _ in NETWORKS])
def test_outputs_gradients_and_statistics_are_the_same(name: str, layer: str | None, side: int) -> None:
    plain, expected, _ = run(name, layer, side, recompute=False)
    divided, output, _ = run(name, layer, side, recompute=True)
    torch.testing.assert_close(output, expected)
    for (key, first), (_, second) in zip(plain.named_parameters(), divided.named_parameters(), strict=True):
        torch.testing.assert_close(second.grad, first.grad, msg=lambda text, key=key: f"{key}: {text}")
    for (key, first), (_, second) in zip(plain.named_buffers(), divided.named_buffers(), strict=True):
        torch.testing.assert_close(second, first, msg=lambda text, key=key: f"{key}: {text}")


def test_fewer_activations_are_kept() -> None:
    # At this side, VGG's activations are larger than its weights.
    _, _, all_of_them = run("vgg16", "relu3_3", 96, recompute=False)
    _, _, fewer = run("vgg16", "relu3_3", 96, recompute=True)
    assert fewer < 0.5 * all_of_them


def test_a_network_of_unknown_structure_is_refused() -> None:
    backbone = Backbone(
        nn.Identity(), name="timm:some", layer="forward_features", channels=3, nonnegative=False, preprocessing=IMAGENET
    )
    with pytest.raises(UsageError, match="fbn cannot divide timm:some into segments"):
        recompute_activations(backbone)


class AddsInPlace(nn.Module):
    """Convolutions, each followed by an addition in place that a second pass would do again."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(6))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for layer in self.layers:
            x = layer(x)
            x.add_(1)
        return {"last": x}


def test_an_operation_in_place_at_the_start_of_a_segment_is_done_once() -> None:
    gradients = []
    for recompute in (False, True):
        network = torch.fx.symbolic_trace(AddsInPlace())
        backbone = TracedBackbone(
            network, name="small", layer="last", channels=3, nonnegative=False, preprocessing=IMAGENET
        )
        images = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        output = recompute_activations(backbone)(images) if recompute else backbone(images)
        output.square().mean().backward()  # type: ignore[no-untyped-call]
        gradients.append([parameter.grad for parameter in backbone.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0])
