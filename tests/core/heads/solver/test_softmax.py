import math

import pytest
import torch

from birdnet_cli.core.heads.solver.softmax import SoftmaxLoss


def build(weights: list[float] | None = None) -> SoftmaxLoss:
    labels = torch.tensor([0, 2])
    return SoftmaxLoss(labels, num_classes=3, weights=torch.tensor(weights or [1.0, 1.0], dtype=torch.float64))


def test_the_loss_of_equal_logits_is_the_logarithm_of_the_number_of_classes() -> None:
    assert build().value(torch.zeros(2, 3).double()).item() == pytest.approx(2 * math.log(3))
    assert build([1.0, 0.0]).value(torch.zeros(2, 3).double()).item() == pytest.approx(math.log(3))


def test_the_gradient_of_equal_logits_is_the_share_less_the_indicator() -> None:
    expected = torch.tensor([[-2.0, 1.0, 1.0], [1.0, 1.0, -2.0]]).double() / 3
    torch.testing.assert_close(build().gradient(torch.zeros(2, 3).double()), expected)


def test_large_logits_do_not_overflow() -> None:
    logits = torch.tensor([[1e4, 0.0, 0.0], [0.0, 0.0, 1e4]]).double()
    assert build().value(logits).item() == 0
    assert build().value(-logits).item() == pytest.approx(2e4 + 2 * math.log(2))


def test_the_initial_bias_gives_the_shares_of_the_weights() -> None:
    bias = build([3.0, 1.0]).initial_bias()
    torch.testing.assert_close(torch.softmax(bias, 0), torch.tensor([0.75, 0.0, 0.25]).double(), atol=1e-9, rtol=0)
