"""`bilinear_pool` as an operator: schema checks, autocast, compile, export, vmap, meta tensors, second derivatives."""

import shutil

import pytest
import torch
from torch import Tensor, nn

from birdnet_cli.core.ops import bilinear_pool

OP = torch.ops.fbn.bilinear_pool.default
BACKWARD = torch.ops.fbn.bilinear_pool_backward.default

# The warnings are raised inside PyTorch's own tooling.
pytestmark = [
    pytest.mark.usefixtures("implementation"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning"),
]

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's CPU backend needs g++")


def feature_map(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_the_op_passes_opcheck(nonnegative, packed):
    x = feature_map(3, 5, 7).abs() if nonnegative else feature_map(3, 5, 7)

    torch.library.opcheck(OP, (x.requires_grad_(), nonnegative, packed))
    torch.library.opcheck(OP, (x.detach().mT.contiguous().mT.requires_grad_(), nonnegative, packed))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
def test_the_backward_op_passes_opcheck(packed):
    x = feature_map(3, 5, 7)
    descriptor, scale = OP(x, False, packed)

    torch.library.opcheck(BACKWARD, (torch.ones_like(descriptor), x, descriptor, scale, packed))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_gradient_equals_finite_differences(nonnegative, packed):
    x = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x.abs() if nonnegative else x).requires_grad_()

    assert torch.autograd.gradcheck(lambda x: bilinear_pool(x, nonnegative=nonnegative, packed=packed), x)


def test_only_the_descriptor_carries_a_gradient():
    descriptor, scale = OP(feature_map(3, 5, 7).requires_grad_(), False, True)

    assert descriptor.requires_grad
    assert not scale.requires_grad


def test_autocast_changes_no_bit_of_value_or_gradient():
    x = feature_map(2, 19, 30).requires_grad_()
    expected = bilinear_pool(x)
    (gradient,) = torch.autograd.grad(expected[:, 1].sum(), x)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        descriptor = bilinear_pool(x)
        (under_autocast,) = torch.autograd.grad(descriptor[:, 1].sum(), x)

    assert torch.equal(descriptor, expected)
    assert torch.equal(under_autocast, gradient)


def test_a_second_derivative_is_an_error_that_names_the_op():
    x = feature_map(1, 3, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(bilinear_pool(x)[0, 0], x, create_graph=True)

    with pytest.raises(NotImplementedError, match="fbn::bilinear_pool has no double backward"):
        gradient.sum().backward()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow, needs_compiler])])
def test_compiled_in_one_graph_it_equals_eager(backend, layout):
    weight = feature_map(10, seed=1)

    def loss(x: Tensor) -> Tensor:
        return (bilinear_pool(x.relu(), nonnegative=True) * weight).sum()

    x = feature_map(2, 4, 3, 3).to(memory_format=layout).requires_grad_()
    expected = loss(x)
    (gradient,) = torch.autograd.grad(expected, x)

    compiled = torch.compile(loss, fullgraph=True, backend=backend)(x)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(torch.autograd.grad(compiled, x)[0], gradient)


def test_one_compiled_graph_serves_every_batch_size():
    compiled = torch.compile(bilinear_pool, fullgraph=True, backend="aot_eager", dynamic=True)

    for N in (2, 3, 5):
        x = feature_map(N, 4, 9)
        torch.testing.assert_close(compiled(x), bilinear_pool(x))


def test_an_exported_program_equals_eager():
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return bilinear_pool(x, packed=False)

    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Pool(), (feature_map(2, 4, 3, 3),), dynamic_shapes=({0: batch},))

    x = feature_map(5, 4, 3, 3, seed=2)
    torch.testing.assert_close(program.module()(x), bilinear_pool(x, packed=False))


@pytest.mark.parametrize("in_dim", [0, 2])
def test_vmap_equals_a_loop_over_batches(in_dim):
    x = feature_map(3, 2, 4, 6)
    mapped = torch.func.vmap(bilinear_pool, in_dims=in_dim)(x.movedim(0, in_dim))

    torch.testing.assert_close(mapped, torch.stack([bilinear_pool(batch) for batch in x]))


@pytest.mark.parametrize(("dtype", "result"), [(torch.float16, torch.float32), (torch.float64, torch.float64)], ids=str)
def test_meta_tensors_have_shape_and_dtype_without_values(dtype, result):
    descriptor = bilinear_pool(torch.empty(7, 512, 28, 28, device="meta", dtype=dtype))

    assert descriptor.shape == (7, 131328)
    assert descriptor.dtype == result
