"""`fb_quadratic` as an operator: schema checks, autocast, compile, export, vmap, meta tensors, second derivatives."""

import importlib
import shutil

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from birdnet_cli.core.ops import fb_quadratic

MODULE = importlib.import_module("birdnet_cli.core.ops.fb_quadratic")
OP = torch.ops.fbn.fb_quadratic.default
BACKWARD = torch.ops.fbn.fb_quadratic_backward.default

# Raised inside PyTorch's own tooling.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning"),
]

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's CPU backend needs g++")
POINTWISE = ((1, 1), (0, 0), (1, 1), 1)
GENERAL = ((2, 1), (1, 2), (1, 2), 2)
SCALES = {"none": None, "batch": torch.tensor([2.0, 0.0, 2.0]), "sample": torch.tensor([[2.0, 0, 2]] * 3)}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("geometry", [POINTWISE, GENERAL], ids=["pointwise", "general"])
def test_the_op_passes_opcheck(geometry, scale):
    side = 1 if geometry is POINTWISE else 2
    weight = draw(6, 3, 4 // geometry[-1], side, side, seed=1).requires_grad_()
    s = SCALES[scale]
    layouts = (torch.contiguous_format, torch.channels_last)
    for layout, keep in zip(layouts, (s is None, False), strict=True):
        x = draw(3, 4, 5, 4).to(memory_format=layout).requires_grad_()

        torch.library.opcheck(OP, (x, weight, s, *geometry, False, keep))


@pytest.mark.parametrize("wanted", [[True, True], [True, False], [False, True]], ids=str)
@pytest.mark.parametrize("geometry", [POINTWISE, GENERAL], ids=["pointwise", "general"])
def test_the_backward_op_passes_opcheck(geometry, wanted):
    side = 1 if geometry is POINTWISE else 2
    x, weight = draw(3, 4, 5, 4), draw(6, 3, 4 // geometry[-1], side, side, seed=1)
    out, products = OP(x, weight, None, *geometry, True, True)

    torch.library.opcheck(BACKWARD, (torch.ones_like(out), x, weight, None, products, *geometry, True, wanted))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_casts_what_a_convolution_casts_and_squares_in_float32(dtype):
    x, weight = draw(2, 19, 5, 6).requires_grad_(), draw(3, 4, 19, 1, 1, seed=1).requires_grad_()

    with torch.autocast("cpu", dtype=dtype):
        form = fb_quadratic(x, weight, diagonal=False)
        gradients = torch.autograd.grad(form[:, 1].sum(), (x, weight))

    assert form.dtype == torch.float32
    expected = fb_quadratic(x.to(dtype), weight.to(dtype), diagonal=False)
    assert torch.equal(form, expected)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected[:, 1].sum(), (x, weight)), strict=True):
        assert gradient.dtype == torch.float32
        assert torch.equal(gradient, reference)


def test_autocast_leaves_double_precision_alone():
    x, weight = draw(2, 5).double(), draw(3, 4, 5, seed=1).double()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fb_quadratic(x, weight, diagonal=True), fb_quadratic(x.clone(), weight, diagonal=True))
        assert fb_quadratic(x, weight, diagonal=True).dtype == torch.float64


def test_a_second_derivative_is_an_error_that_names_the_op():
    x, weight = draw(2, 3).requires_grad_(), draw(4, 2, 3, seed=1).requires_grad_()
    (gradient,) = torch.autograd.grad(fb_quadratic(x, weight, diagonal=True).sum(), x, create_graph=True)

    with pytest.raises(NotImplementedError, match="fbn::fb_quadratic has no double backward"):
        gradient.sum().backward()


@pytest.mark.parametrize("scale", ["none", "batch"])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow, needs_compiler])])
def test_compiled_in_one_graph_it_equals_eager(backend, scale):
    weighting = draw(2, 6, 2, 2, seed=2)

    def loss(x: Tensor, weight: Tensor) -> Tensor:
        form = fb_quadratic(x.tanh(), weight, diagonal=False, scale=SCALES[scale], stride=2, padding=1)
        return (form * weighting).sum()

    x, weight = draw(2, 4, 3, 3).requires_grad_(), draw(6, 3, 4, 3, 2, seed=1).requires_grad_()
    weighting = weighting[..., : fb_quadratic(x, weight, diagonal=True, stride=2, padding=1).shape[-1]]
    expected = loss(x, weight)
    gradients = torch.autograd.grad(expected, (x, weight))

    compiled = torch.compile(loss, fullgraph=True, backend=backend)(x, weight)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(torch.autograd.grad(compiled, (x, weight)), gradients)


def test_one_compiled_graph_serves_every_batch_size():
    weight = draw(6, 3, 4, 1, 1, seed=1)
    frames = []

    def backend(graph, _inputs):
        frames.append(graph)
        return graph

    compiled = torch.compile(
        lambda x: fb_quadratic(x, weight, diagonal=False), fullgraph=True, backend=backend, dynamic=True
    )
    for N in (2, 3, 5):
        x = draw(N, 4, 3, 3)
        torch.testing.assert_close(compiled(x), fb_quadratic(x, weight, diagonal=False))
    assert len(frames) == 1


def test_an_exported_program_equals_eager():
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(draw(6, 3, 4, 1, 1, seed=1))

        def forward(self, x: Tensor) -> Tensor:
            return fb_quadratic(x, self.weight, diagonal=False)

    layer = Layer()
    batch = torch.export.Dim("batch", min=1, max=1000)
    program = torch.export.export(layer, (draw(2, 4, 3, 3),), dynamic_shapes=({0: batch},))

    x = draw(5, 4, 3, 3, seed=2)
    torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.parametrize("dims", [(0, None, None), (2, None, None), (0, 1, None), (None, 0, 0)], ids=str)
def test_vmap_equals_a_loop(dims):
    def form(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
        return fb_quadratic(x, weight, diagonal=False, scale=scale)

    stacks = draw(3, 2, 4, 5, 6), draw(3, 6, 3, 4, 1, 1, seed=1), draw(3, 3, seed=2).abs()
    arguments = [stack[0] if dim is None else stack.movedim(0, dim) for stack, dim in zip(stacks, dims, strict=True)]

    mapped = torch.func.vmap(form, in_dims=dims)(*arguments)

    each = [
        form(*(tensor if dim is None else tensor.select(dim, b) for tensor, dim in zip(arguments, dims, strict=True)))
        for b in range(3)
    ]
    torch.testing.assert_close(mapped, torch.stack(each))


@pytest.mark.parametrize(("scale", "products"), [("none", 3), ("batch", 4)], ids=["kept", "computed again"])
def test_flops_are_those_of_the_products(scale, products):
    x, weight = draw(2, 4, 5, 6).requires_grad_(), draw(6, 3, 4, 1, 1, seed=1).requires_grad_()

    with FlopCounterMode(display=False) as counter:
        fb_quadratic(x, weight, diagonal=True, scale=SCALES[scale]).sum().backward()

    assert counter.get_total_flops() == products * 2 * (2 * 5 * 6) * (6 * 3 * 4)


@pytest.mark.parametrize(("dtype", "result"), [(torch.float16, torch.float32), (torch.float64, torch.float64)], ids=str)
def test_meta_tensors_have_shape_and_dtype_without_values(dtype, result):
    x = torch.empty(256, 2048, 7, 7, device="meta", dtype=dtype)
    weight = torch.empty(1000, 50, 2048, 3, 3, device="meta", dtype=dtype)

    form = fb_quadratic(x, weight, diagonal=False, padding=1, stride=2)

    assert form.shape == (256, 1000, 4, 4)
    assert form.dtype == result
