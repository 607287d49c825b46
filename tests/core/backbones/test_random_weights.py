"""Random weights: fixed by names, shapes and seed, and of a size that keeps activations finite."""

import pytest
import torch

from birdnet_cli.core.backbones import resolve_weights
from birdnet_cli.core.backbones.random_weights import draw_random_tensors

STATE = {
    "conv.weight": torch.empty(256, 32, 3, 3, device="meta"),
    "conv.bias": torch.empty(256, device="meta"),
    "bn.weight": torch.empty(256, device="meta"),
    "bn.running_mean": torch.empty(256, device="meta"),
    "bn.running_var": torch.empty(256, device="meta"),
    "bn.num_batches_tracked": torch.empty((), dtype=torch.int64, device="meta"),
}


def test_weights_are_he_normal_and_everything_else_is_neutral():
    tensors, _ = draw_random_tensors(STATE, seed=0)
    assert {key: (tensor.shape, tensor.dtype) for key, tensor in tensors.items()} == {
        key: (tensor.shape, tensor.dtype) for key, tensor in STATE.items()
    }
    assert tensors["conv.weight"].mean().item() == pytest.approx(0, abs=1e-3)
    assert tensors["conv.weight"].std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert (tensors["bn.weight"] == 1).all()
    assert (tensors["bn.running_var"] == 1).all()
    assert not any(tensors[key].any() for key in ("conv.bias", "bn.running_mean", "bn.num_batches_tracked"))


def test_seed_alone_decides_the_values_and_names_and_shapes_enter_the_hash():
    torch.manual_seed(1)
    first, digest = draw_random_tensors(STATE, seed=3)
    torch.manual_seed(2)
    again, same = draw_random_tensors(STATE, seed=3)
    assert digest == same
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
    renamed = {key.replace("conv", "convolution"): tensor for key, tensor in STATE.items()}
    reshaped = STATE | {"conv.weight": torch.empty(256, 9, 32, device="meta")}
    others = [
        draw_random_tensors(STATE, seed=4),
        *(draw_random_tensors(state, seed=3) for state in (renamed, reshaped)),
    ]
    assert len({digest, *(other for _, other in others)}) == 4


def test_the_source_names_the_seed():
    assert resolve_weights("resnet18", "none").source == "random (seed 0)"
