"""The CUDA kernels of `fb_quadratic` and its backward against the float64 reference: geometry, scales, portions."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.core.ops.cuda.kernels import Kernels

MISSING = "needs the op fb_quadratic, which this version lacks"
pytest.importorskip("birdnet_cli.core.ops.fb_quadratic", reason=MISSING)
reference = pytest.importorskip("birdnet_cli.core.ops.fb_quadratic_reference", reason=MISSING)

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# x, weight, (stride, padding, dilation, groups).
CASES: dict[str, tuple[Any, Any, Any]] = {
    "one value": ((1, 1, 1, 1), (1, 1, 1, 1, 1), ([1, 1], [0, 0], [1, 1], 1)),
    "fully connected": ((5, 7, 1, 1), (3, 4, 7, 1, 1), ([1, 1], [0, 0], [1, 1], 1)),
    "pointwise": ((3, 19, 7, 5), (6, 5, 19, 1, 1), ([1, 1], [0, 0], [1, 1], 1)),
    "pointwise, strided": ((2, 6, 7, 5), (4, 3, 6, 1, 1), ([2, 3], [0, 0], [1, 1], 1)),
    "padded beyond a pointwise kernel": ((2, 3, 4, 5), (2, 3, 3, 1, 1), ([1, 1], [1, 2], [1, 1], 1)),
    "windows": ((2, 4, 9, 8), (3, 5, 4, 3, 2), ([1, 1], [1, 0], [1, 1], 1)),
    "windows with everything": ((2, 6, 11, 10), (4, 3, 3, 3, 2), ([2, 3], [2, 1], [2, 3], 2)),
    "a group for each channel": ((2, 4, 6, 6), (8, 2, 1, 3, 3), ([1, 1], [1, 1], [1, 1], 4)),
    "portions": ((2, 12, 46, 46), (4, 65, 6, 1, 1), ([1, 1], [0, 0], [1, 1], 2)),
    "more than one block": ((1, 3, 17, 17), (2, 6, 3, 1, 1), ([1, 1], [0, 0], [1, 1], 1)),
}


def inputs(case: str, dtype: torch.dtype, scale: str) -> tuple[Tensor, Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    shape, weight, _ = CASES[case]
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    f = torch.randn(weight, generator=generator, dtype=torch.float64).to(dtype)
    kept = {"no scale": None, "shared scale": (weight[1],), "own scales": (shape[0], weight[1])}[scale]
    s = (
        None
        if kept is None
        else torch.randint(3, kept, generator=generator) / torch.tensor(2, dtype=accumulated(dtype))
    )
    return x, f, s


def accumulated(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def upstream(out: Tensor, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(out.shape, generator=generator, dtype=torch.float64).to(dtype)


def compute(
    kernels: Kernels, x: Tensor, f: Tensor, s: Tensor | None, case: str, *, diagonal: bool, keep: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """The form and both gradients, on the CPU."""
    x, f, s = (None if tensor is None else tensor.to(kernels.device) for tensor in (x, f, s))
    geometry = CASES[case][2]
    out, products = kernels.ops.fb_quadratic(x, f, s, *geometry, diagonal, keep)
    grad = upstream(out, out.dtype).to(kernels.device)
    kept = products if keep else None
    gradients = kernels.ops.fb_quadratic_backward(grad, x, f, s, kept, *geometry, diagonal, [True, True])
    assert [tensor.dtype for tensor in gradients] == [x.dtype, f.dtype]
    return out.cpu(), gradients[0].cpu(), gradients[1].cpu()


def expected(x: Tensor, f: Tensor, s: Tensor | None, case: str, *, diagonal: bool) -> tuple[Tensor, Tensor, Tensor]:
    geometry = CASES[case][2]
    dtype = accumulated(x.dtype)
    x, f, s = (None if tensor is None else tensor.double() for tensor in (x, f, s))
    out, _ = reference.fb_quadratic_reference(x, f, s, *geometry, diagonal, False)
    grad = upstream(out, dtype).double()
    gradients = reference.fb_quadratic_backward_reference(grad, x, f, s, None, *geometry, diagonal, [True, True])
    return out, *gradients


def assert_all_near(actual: tuple[Tensor, ...], oracle: tuple[Tensor, ...], dtype: torch.dtype, assert_near) -> None:
    assert_near(actual[0], oracle[0], dtype)
    for tensor, other in zip(actual[1:], oracle[1:], strict=True):
        assert_near(tensor, other, dtype, gradient=True)


@pytest.mark.pairwise
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "no diagonal"])
@pytest.mark.parametrize("scale", ["no scale", "shared scale", "own scales"])
@pytest.mark.parametrize("case", [case for case in CASES if case != "portions"])
def test_the_form_and_its_gradients_equal_the_reference(kernels, case, scale, diagonal, assert_near):
    arguments = inputs(case, torch.float32, scale)
    # One value without its diagonal is the constant 0, of which rounding is all that is left.
    if case == "one value" and not diagonal:
        assert max(float(tensor.abs().amax()) for tensor in compute(kernels, *arguments, case, diagonal=False)) < 1e-2
        return

    actual = compute(kernels, *arguments, case, diagonal=diagonal)

    assert_all_near(actual, expected(*arguments, case, diagonal=diagonal), torch.float32, assert_near)


@pytest.mark.pairwise
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "no diagonal"])
@pytest.mark.parametrize("case", ["pointwise", "windows", "windows with everything"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_other_dtypes_equal_the_reference(kernels, dtype, case, diagonal, assert_near):
    arguments = inputs(case, dtype, "own scales")

    actual = compute(kernels, *arguments, case, diagonal=diagonal)

    assert actual[0].dtype == accumulated(dtype)
    assert_all_near(actual, expected(*arguments, case, diagonal=diagonal), dtype, assert_near)


@pytest.mark.pairwise
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "no diagonal"])
@pytest.mark.parametrize("case", ["pointwise", "windows with everything"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kept_products_change_no_gradient(kernels, dtype, case, diagonal, assert_near):
    arguments = inputs(case, dtype, "no scale")
    geometry = CASES[case][2]

    actual = compute(kernels, *arguments, case, diagonal=diagonal, keep=True)

    assert_all_near(actual, expected(*arguments, case, diagonal=diagonal), dtype, assert_near)
    on_device = [None if tensor is None else tensor.to(kernels.device) for tensor in arguments]
    out, products = kernels.ops.fb_quadratic(*on_device, *geometry, diagonal, True)
    assert products.shape == (*CASES[case][1][:2], out[:, 0].numel())
    _, oracle = reference.fb_quadratic_reference(
        arguments[0].double(), arguments[1].double(), None, *geometry, diagonal, True
    )
    assert_near(products.cpu(), oracle, dtype)


@pytest.mark.parametrize(
    ("dtype", "keep"), [(torch.float64, False), (torch.float32, True), (torch.bfloat16, True), (torch.float16, False)]
)
def test_a_portion_for_each_image_and_class_equals_the_reference(emulated, dtype, keep, assert_near):
    # The least that a portion holds is 2,048 positions and 128 rows of products: here one image, and one class.
    arguments = inputs("portions", dtype, "no scale" if keep else "own scales")

    with emulated.device_with(l2_bytes=64):
        actual = compute(emulated, *arguments, "portions", diagonal=False, keep=keep)

    assert_all_near(actual, expected(*arguments, "portions", diagonal=False), dtype, assert_near)


@pytest.mark.parametrize("wanted", [[True, False], [False, True], [False, False]], ids=str)
def test_only_the_gradients_that_are_wanted_are_computed(kernels, wanted):
    case = "windows with everything"
    x, f, _ = (
        None if tensor is None else tensor.to(kernels.device) for tensor in inputs(case, torch.float32, "no scale")
    )
    geometry = CASES[case][2]
    out, _ = kernels.ops.fb_quadratic(x, f, None, *geometry, False, False)
    grad = upstream(out, out.dtype).to(kernels.device)
    both = kernels.ops.fb_quadratic_backward(grad, x, f, None, None, *geometry, False, [True, True])

    some = kernels.ops.fb_quadratic_backward(grad, x, f, None, None, *geometry, False, wanted)

    for tensor, other, want in zip(some, both, wanted, strict=True):
        assert torch.equal(tensor, other if want else other.new_empty(0))


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every second column": lambda x: x.repeat_interleave(2, dim=3)[..., ::2],
    "expanded": lambda x: x[:1].expand(x.shape[0], -1, -1, -1),
}


@pytest.mark.parametrize("case", ["pointwise", "windows with everything"])
@pytest.mark.parametrize("arrange", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_change_neither_the_form_nor_its_gradients(kernels, arrange, case, assert_near):
    x, f, s = (tensor.to(kernels.device) for tensor in inputs(case, torch.float32, "shared scale"))
    x, f = arrange(x), f.transpose(0, 1).contiguous().transpose(0, 1)
    geometry = CASES[case][2]

    out, _ = kernels.ops.fb_quadratic(x, f, s, *geometry, False, False)
    grad = upstream(out, out.dtype).to(kernels.device)
    late = grad.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    gradients = kernels.ops.fb_quadratic_backward(late, x, f, s, None, *geometry, False, [True, True])

    assert gradients[0].stride() == torch.empty_like(x).stride()
    actual = (out.cpu(), gradients[0].cpu(), gradients[1].cpu())
    assert_all_near(actual, expected(x.cpu(), f.cpu(), s.cpu(), case, diagonal=False), torch.float32, assert_near)


@pytest.mark.parametrize("strength", [1e-6, 1.0, 1e4])
def test_float16_gradients_keep_their_precision_at_any_scale(kernels, strength):
    case = "pointwise"
    x, f, _ = inputs(case, torch.float16, "no scale")
    geometry = CASES[case][2]
    grad = upstream(torch.empty(3, 6, 7, 5), torch.float32) * strength
    oracle = reference.fb_quadratic_backward_reference(
        grad.double(), x.double(), f.double(), None, None, *geometry, False, [True, True]
    )

    arguments = (tensor.to(kernels.device) for tensor in (grad, x, f))
    gradients = kernels.ops.fb_quadratic_backward(*arguments, None, None, *geometry, False, [True, True])

    for tensor, other in zip(gradients, oracle, strict=True):
        error = (tensor.cpu().double().clamp(-65504, 65504) - other.clamp(-65504, 65504)).abs().amax()
        assert error <= 1e-3 * other.abs().amax() + 3e-8


@pytest.mark.parametrize("case", ["pointwise", "windows with everything", "more than one block"])
def test_the_order_of_threads_changes_no_bit(emulated, case):
    arguments = inputs(case, torch.float32, "own scales")
    ascending = compute(emulated, *arguments, case, diagonal=False)
    with emulated.device_with(descending=True):
        descending = compute(emulated, *arguments, case, diagonal=False)

    assert all(map(torch.equal, ascending, descending))


def test_repeating_changes_no_bit(kernels):
    arguments = inputs("pointwise", torch.bfloat16, "own scales")
    results = [compute(kernels, *arguments, "pointwise", diagonal=False) for _ in range(2)]

    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("empty", ["images", "classes", "factors"])
def test_nothing_gives_zeros(kernels, empty):
    x = torch.ones(0 if empty == "images" else 2, 3, 4, 4, device=kernels.device)
    f = torch.ones(0 if empty == "classes" else 5, 0 if empty == "factors" else 6, 3, 1, 1, device=kernels.device)
    geometry = ([1, 1], [0, 0], [1, 1], 1)

    out, _ = kernels.ops.fb_quadratic(x, f, None, *geometry, False, False)
    gradients = kernels.ops.fb_quadratic_backward(
        torch.ones_like(out), x, f, None, None, *geometry, False, [True, True]
    )

    assert out.shape == (x.shape[0], f.shape[0], 4, 4)
    assert [tensor.shape for tensor in gradients] == [x.shape, f.shape]
    assert not any(tensor.any() for tensor in (out, *gradients))


@pytest.mark.pairwise
@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "no diagonal"])
@pytest.mark.parametrize("case", ["pointwise, strided", "windows with everything"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_every_value_is_written(kernels, dtype, case, diagonal):
    for scale, keep in (("no scale", True), ("own scales", False)):
        results = compute(kernels, *inputs(case, dtype, scale), case, diagonal=diagonal, keep=keep)
        assert all(tensor.isfinite().all() for tensor in results)


def test_arguments_that_do_not_fit_together_are_refused(kernels):
    x = torch.ones(2, 4, 3, 3, device=kernels.device)
    f = torch.ones(6, 5, 2, 3, 3, device=kernels.device)
    form, gradient = kernels.ops.fb_quadratic, kernels.ops.fb_quadratic_backward
    rest = ([1, 1], [0, 0], [1, 1], 2, True)

    with pytest.raises(RuntimeError, match="got 3 and 5 dimensions"):
        form(x[0], f, None, *rest, False)
    with pytest.raises(RuntimeError, match="expected map and weight of one dtype and device"):
        form(x, f.half(), None, *rest, False)
    with pytest.raises(RuntimeError, match="expected groups that divide the classes"):
        form(x, f, None, [1, 1], [0, 0], [1, 1], 1, True, False)
    with pytest.raises(RuntimeError, match="expected kernel, stride and dilation of at least 1"):
        form(x, f, None, [0, 1], [0, 0], [1, 1], 2, True, False)
    with pytest.raises(RuntimeError, match="the kernel does not fit into the padded map"):
        form(x, f, None, [1, 1], [0, 0], [2, 1], 2, True, False)
    with pytest.raises(RuntimeError, match=r"expected a scale of shape \[K\] or \[N, K\]"):
        form(x, f, torch.ones(4, device=kernels.device), *rest, False)
    with pytest.raises(RuntimeError, match="expected grad of the shape of the output"):
        gradient(torch.ones(2, 6, 2, 1, device=kernels.device), x, f, None, None, *rest, [True, True])
    with pytest.raises(RuntimeError, match="expected grad and products on the device of x, in float32"):
        gradient(torch.ones(2, 6, 1, 1, device=kernels.device).double(), x, f, None, None, *rest, [True, True])
