"""`compact_bilinear_pool` as an operator: schema checks, autocast, compile, meta tensors, derivatives, refusals."""

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops import compact_bilinear_pool
from tests.core.ops.sketches import gradient_of, inputs

OP = torch.ops.fbn.compact_bilinear_pool.default
BACKWARD = torch.ops.fbn.compact_bilinear_pool_backward.default

pytestmark = pytest.mark.usefixtures("implementation")


def test_gradient_equals_finite_differences():
    x, hashes = inputs(2, 5, 3, 7, torch.float64)

    assert torch.autograd.gradcheck(lambda x: compact_bilinear_pool(x, **hashes), x.requires_grad_())


def test_an_empty_batch_gives_no_sketches_and_an_empty_gradient():
    x, hashes = inputs(0, 4, 3, 8)

    assert compact_bilinear_pool(x, **hashes).shape == (0, 8)
    assert gradient_of(x, compact_bilinear_pool, **hashes).shape == (0, 4, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"buckets": torch.zeros(2, 4, dtype=torch.int64)},
        {"buckets": torch.zeros(2, 5)},
        {"signs": torch.ones(5)},
        {"dim": 0},
    ],
    ids=["too few buckets", "float buckets", "one row of signs", "no dimensions"],
)
def test_hashes_that_do_not_fit_the_map_are_refused(change):
    x, hashes = inputs(2, 5, 3, 7)

    with pytest.raises(UsageError, match=r"expected int64 buckets and signs of shape \(2, 5\) and dim >= 1, got"):
        compact_bilinear_pool(x, **(hashes | change))


def test_what_is_no_feature_map_is_refused():
    _, hashes = inputs(2, 5, 3, 7)

    with pytest.raises(UsageError, match=r"expected a feature map \[N, C, L\] or \[N, C, H, W\], got 2 dimensions"):
        compact_bilinear_pool(torch.zeros(5, 3), **hashes)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_the_op_and_its_backward_pass_opcheck():
    x, hashes = inputs(3, 5, 7, 11)

    torch.library.opcheck(OP, (x.requires_grad_(), *hashes.values()))
    torch.library.opcheck(BACKWARD, (torch.ones(3, 11), x.detach(), hashes["buckets"], hashes["signs"]))


def test_autocast_changes_no_bit_of_value_or_gradient():
    x, hashes = inputs(2, 19, 30, 64)
    expected, gradient = compact_bilinear_pool(x, **hashes), gradient_of(x, compact_bilinear_pool, **hashes)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compact_bilinear_pool(x, **hashes), expected)
        assert torch.equal(gradient_of(x, compact_bilinear_pool, **hashes), gradient)


def test_a_second_derivative_is_an_error_that_names_the_op():
    x, hashes = inputs(1, 3, 4, 8)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(compact_bilinear_pool(x, **hashes).sum(), x, create_graph=True)

    with pytest.raises(NotImplementedError, match="fbn::compact_bilinear_pool has no double backward"):
        gradient.sum().backward()


def test_compiled_in_one_graph_it_equals_eager():
    x, hashes = inputs(2, 4, 9, 16)
    x.requires_grad_()
    expected = compact_bilinear_pool(x, **hashes)
    (gradient,) = torch.autograd.grad(expected.square().sum(), x)

    compiled = torch.compile(compact_bilinear_pool, fullgraph=True, backend="aot_eager")(x, **hashes)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(torch.autograd.grad(compiled.square().sum(), x)[0], gradient)


def test_meta_tensors_have_shape_and_dtype_without_values():
    x, hashes = inputs(2, 5, 3, 7)
    on_meta = {name: value.to("meta") for name, value in hashes.items() if isinstance(value, Tensor)}

    assert compact_bilinear_pool(x.half().to("meta"), **on_meta, dim=8192).shape == (2, 8192)
