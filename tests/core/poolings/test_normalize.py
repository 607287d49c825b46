import pytest
import torch

from birdnet_cli.core.poolings.normalize import l2_normalize, signed_sqrt


def test_the_signed_root_keeps_signs_and_zeros():
    x = torch.tensor([[4.0, -9.0, 0.0, -0.0]])

    assert torch.equal(signed_sqrt(x), torch.tensor([[2.0, -3.0, 0.0, 0.0]]))


def test_the_gradient_of_the_signed_root_is_exact_and_zero_at_zero():
    x = torch.tensor([[4.0, -9.0, 0.0, -0.0]], requires_grad=True)
    signed_sqrt(x).sum().backward()

    torch.testing.assert_close(x.grad, torch.tensor([[1 / 4, 1 / 6, 0.0, 0.0]]))


def test_rows_are_divided_by_their_norms_and_a_zero_row_stays_zero():
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0]])

    torch.testing.assert_close(l2_normalize(x), torch.tensor([[0.6, -0.8], [0.0, 0.0]]))


def test_a_zero_row_has_gradient_zero():
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0]], requires_grad=True)
    l2_normalize(x)[:, 0].sum().backward()

    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[16 / 125, 12 / 125], [0.0, 0.0]]))


def test_both_gradients_equal_finite_differences():
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    assert torch.autograd.gradcheck(lambda x: l2_normalize(signed_sqrt(x)), x)


@pytest.mark.parametrize("function", [signed_sqrt, l2_normalize])
def test_nan_is_not_hidden(function):
    assert function(torch.tensor([[torch.nan, 1.0]]))[0, 0].isnan()
