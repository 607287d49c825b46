"""Parameter groups and one step of each optimiser, by hand."""

from typing import Any

import pytest
import torch
from torch import nn

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.setup.optimizer import (
    backbone_rate,
    create_optimizer,
    flatten_state,
    restore_state,
    set_rates,
)


def settings(**changes: Any) -> FinetuneSettings:
    return FinetuneSettings.model_validate({"lr": 1.0} | changes)


def scalar(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor([[value]]))


def step(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], gradient: float) -> list[float]:
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, gradient)
    optimizer.step()
    return [float(parameter.detach()) for parameter in parameters]


@pytest.mark.parametrize(
    ("changes", "rate"),
    [({}, 0.01), ({"backbone_lr": 0.5}, 0.5), ({"network": "resnet164"}, 1.0)],
    ids=["pretrained", "given", "from scratch"],
)
def test_the_backbone_s_rate(changes: dict[str, Any], rate: float) -> None:
    assert backbone_rate(settings(**changes)) == rate


def test_head_and_backbone_move_at_their_own_rates() -> None:
    backbone, head = scalar(0.0), scalar(0.0)
    optimizer = create_optimizer(settings(backbone_lr=0.25), backbone=[backbone], head=[head])
    assert step(optimizer, [backbone, head], 1.0) == [-0.25, -1.0]


def test_a_factor_scales_every_group_s_own_rate() -> None:
    backbone, head = scalar(0.0), scalar(0.0)
    optimizer = create_optimizer(settings(backbone_lr=0.25), backbone=[backbone], head=[head])
    set_rates(optimizer, 0.1)
    set_rates(optimizer, 0.5)
    assert step(optimizer, [backbone, head], 1.0) == [-0.125, -0.5]


def test_momentum_adds_up() -> None:
    parameter = scalar(0.0)
    optimizer = create_optimizer(settings(momentum=0.5), backbone=[], head=[parameter])
    # v = 1, then 0.5 * 1 + 1
    assert [step(optimizer, [parameter], 1.0)[0] for _ in range(2)] == [-1.0, -2.5]


def test_nag_adds_the_momentum_before_the_step() -> None:
    parameter = scalar(0.0)
    optimizer = create_optimizer(settings(momentum=0.5, optimizer="nag"), backbone=[], head=[parameter])
    # g + 0.5 v with v = 1, then 1.5
    assert [step(optimizer, [parameter], 1.0)[0] for _ in range(2)] == [-1.5, -3.25]


def test_weight_decay_reaches_every_parameter_unless_spared() -> None:
    weight, bias = scalar(1.0), nn.Parameter(torch.tensor([1.0]))
    optimizer = create_optimizer(settings(weight_decay=0.5), backbone=[], head=[weight, bias])
    assert step(optimizer, [weight, bias], 0.0) == [0.5, 0.5]
    weight, bias = scalar(1.0), nn.Parameter(torch.tensor([1.0]))
    optimizer = create_optimizer(settings(weight_decay=0.5, decay="weights"), backbone=[], head=[weight, bias])
    assert step(optimizer, [weight, bias], 0.0) == [0.5, 1.0]


def test_adamw_shrinks_apart_from_the_gradient() -> None:
    parameter = scalar(1.0)
    optimizer = create_optimizer(settings(optimizer="adamw", lr=0.1, weight_decay=0.5), backbone=[], head=[parameter])
    # 1 - 0.1 * 0.5, then a first step of size lr
    assert step(optimizer, [parameter], 3.0)[0] == pytest.approx(0.85)


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adamw"])
def test_restored_state_goes_on_with_the_same_bits(optimizer: str) -> None:
    made = settings(optimizer=optimizer, lr=0.1)
    first = nn.Parameter(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
    first.data = first.data.to(memory_format=torch.channels_last)
    before = create_optimizer(made, backbone=[], head=[first])
    for gradient in (0.3, -0.2):
        step_with(before, first, gradient)
    second = nn.Parameter(first.detach().clone())
    after = create_optimizer(made, backbone=[], head=[second])
    restore_state(
        after, {second: "w"}, {key: value.clone() for key, value in flatten_state(before, {first: "w"}).items()}
    )
    for gradient in (0.5, 0.1):
        step_with(before, first, gradient)
        step_with(after, second, gradient)
    assert torch.equal(first, second)
    assert flatten_state(after, {second: "w"}).keys() == flatten_state(before, {first: "w"}).keys()


def step_with(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, gradient: float) -> None:
    parameter.grad = parameter.detach() * gradient
    optimizer.step()
