import numpy as np
import pytest
import torch

from birdnet_cli.core.errors import UnknownNameError
from birdnet_cli.core.heads.solver import create_loss, list_heads, sample_weights


@pytest.fixture
def logits_and_labels():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 4, generator=generator) * 2, torch.randint(4, (20,), generator=generator)


def test_heads_are_listed_by_name():
    assert list_heads() == ("ridge", "softmax", "svm")


def test_an_unknown_head_names_its_near_matches(logits_and_labels):
    with pytest.raises(UnknownNameError, match="unknown head 'softmaxx': did you mean softmax"):
        create_loss("softmaxx", logits_and_labels[1], num_classes=4, weights=torch.ones(20))


@pytest.mark.parametrize("head", list_heads())
def test_gradient_is_the_derivative_of_the_value(logits_and_labels, head):
    logits, labels = logits_and_labels
    weights = torch.linspace(0.5, 2, 20).double()
    loss = create_loss(head, labels, num_classes=4, weights=weights)
    logits = logits.double().requires_grad_()

    (derivative,) = torch.autograd.grad(_differentiable(head, logits, labels, weights), logits)

    assert loss.value(logits.detach()).item() == pytest.approx(_differentiable(head, logits, labels, weights).item())
    torch.testing.assert_close(loss.gradient(logits.detach()), derivative)


@pytest.mark.parametrize("head", list_heads())
def test_bend_is_the_derivative_of_the_gradient(logits_and_labels, head):
    logits, labels = logits_and_labels
    weights = torch.linspace(0.5, 2, 20).double()
    loss = create_loss(head, labels, num_classes=4, weights=weights)
    logits = logits.double()
    direction = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).double()
    step = 1e-6

    curvature = loss.curvature(logits)
    slope = (loss.gradient(logits + step * direction) - loss.gradient(logits - step * direction)) / (2 * step)
    diagonal = torch.stack([loss.hessian_product(curvature, _unit(k))[:, k].sum() for k in range(4)])

    torch.testing.assert_close(loss.hessian_product(curvature, direction), slope, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(loss.trace(curvature), diagonal)


def test_balanced_classes_weigh_the_same_in_sum():
    labels = torch.tensor([0, 0, 0, 0, 0, 2, 2, 3])

    weights = sample_weights(labels, balanced=True)

    sums = torch.zeros(4, dtype=torch.float64).index_add_(0, labels, weights)
    np.testing.assert_allclose(sums, [8 / 3, 0, 8 / 3, 8 / 3], rtol=1e-6)


def test_without_balance_all_samples_weigh_one():
    assert sample_weights(torch.tensor([0, 0, 2]), balanced=False).tolist() == [1, 1, 1]


def _unit(k: int) -> torch.Tensor:
    return torch.eye(4).double()[k].expand(20, 4)


def _differentiable(head, logits, labels, weights):
    if head == "softmax":
        return (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).sum()
    targets = 2 * torch.nn.functional.one_hot(labels, 4) - 1
    if head == "svm":
        return (weights[:, None] * torch.relu(1 - targets * logits) ** 2).sum()
    return (weights[:, None] * (logits - targets) ** 2).sum()
