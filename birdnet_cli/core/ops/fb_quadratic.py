"""The quadratic term of a Factorized Bilinear layer, [N, C, H, W] -> [N, O, h, w]: sum_k s_k (f_ok . x)^2."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops.fb_quadratic_reference import fb_quadratic_backward_reference, fb_quadratic_reference
from birdnet_cli.core.ops.gram import INPUT_DTYPES, accumulation_dtype
from birdnet_cli.core.ops.library import LIBRARY, define_op, forbid_double_backward
from birdnet_cli.core.ops.window import Pair, Window

__all__ = ["fb_quadratic"]

# Training without a `scale` keeps the products [O, K, N*L] for the backward as long as they fit into this: two products
# in the backward instead of three. Beyond it, and wherever factors are dropped, they are computed again, portion by
# portion, so that memory does not grow with O, K or the batch.
KEEP_BYTES = 32 * 2**20


def fb_quadratic(
    x: Tensor,
    weight: Tensor,
    *,
    diagonal: bool,
    scale: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Compute the quadratic form of each output at each position, factored.

    out_o = sum_k s_k [(f_ok . x)^2 - sum_c f_okc^2 x_c^2], where x is the window of the map that a convolution with
    the same geometry sees; with `diagonal` the second term is left out, and out_o = ||F_o x||^2 for s = 1. It is the
    quadratic term alone: the linear term and the bias are the caller's. Under autocast x and the weight are cast as a
    convolution's are; products, squares and sums are in float32 (float64 for float64) for every input dtype. Reverse
    mode only, and once: a second differentiation raises NotImplementedError, and forward-mode tangents are not
    propagated, as by any custom operator.

    Args:
        x: Tensor[N, C, H, W], or Tensor[N, C] for the fully connected form; float32, float64, bfloat16 or float16,
            any strides.
        weight: Tensor[O, K, C/groups, kh, kw], or Tensor[O, K, C] with x [N, C]; x's dtype and device. K may be 0.
        diagonal: keep the terms i = j of the form, as the paper writes it; without them, as the authors' operators
            compute it, the form is indefinite and its mean over random F is 0.
        scale: s, Tensor[K] for the whole batch or Tensor[N, K] for each sample; it gets no gradient. Factors whose
            value is 0 cost nothing on the CPU, if they are the same for the batch.
        stride: stride of the convolution, a value or (vertical, horizontal), as for padding and dilation; >= 1.
        padding: zeros on either side, >= 0.
        dilation: >= 1.
        groups: divides C and O; each O / groups outputs see C / groups channels.

    Returns:
        Tensor[N, O, h, w], or Tensor[N, O] for x [N, C]; float64 for float64 input, else float32.

    Raises:
        UsageError: shapes, dtypes or settings that do not fit together, or a scale that wants a gradient.

    Source: Li, Wang, Liu, Hou, "Factorized Bilinear Models for Image Recognition", ICCV 2017, section 3.
    """
    if (x.dim(), weight.dim()) == (2, 3):
        form = fb_quadratic(x[..., None, None], weight[..., None, None], diagonal=diagonal, scale=scale)
        return form[..., 0, 0]
    x, weight = _cast(x), _cast(weight)
    geometry = (_pair(stride), _pair(padding), _pair(dilation), groups)
    _check(x, weight, scale, *geometry)
    if scale is not None:
        scale = scale.to(accumulation_dtype(x.dtype))
    wants_gradient = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    keep = wants_gradient and scale is None and _product_bytes(x, weight, *geometry) <= KEEP_BYTES
    out: Tensor = torch.ops.fbn.fb_quadratic.default(x, weight, scale, *geometry, diagonal, keep)[0]
    return out


def _cast(tensor: Tensor) -> Tensor:
    # As autocast treats a convolution's arguments: double precision is left alone.
    device = tensor.device.type
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return tensor
    eligible = tensor.is_floating_point() and tensor.dtype != torch.float64
    return tensor.to(torch.get_autocast_dtype(device)) if eligible else tensor


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value


def _product_bytes(x: Tensor, weight: Tensor, *geometry: Any) -> int:
    h, w = Window.of(weight, *geometry).output_size(x)
    return weight.shape[0] * weight.shape[1] * x.shape[0] * h * w * accumulation_dtype(x.dtype).itemsize


def _check(
    x: Tensor, weight: Tensor, scale: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    if x.dim() != 4 or weight.dim() != 5:
        raise UsageError(
            "expected a map [N, C, H, W] with a weight [O, K, C/groups, kh, kw], or [N, C] with [O, K, C]; "
            f"got {x.dim()} and {weight.dim()} dimensions"
        )
    if x.dtype not in INPUT_DTYPES or weight.dtype != x.dtype or weight.device != x.device:
        raise UsageError(
            "expected map and weight of one device and one of the dtypes float32, float64, bfloat16, float16, "
            f"got {x.dtype} on {x.device} and {weight.dtype} on {weight.device}"
        )
    if min(*stride, *dilation, groups) < 1 or min(padding) < 0:
        raise UsageError(
            "expected stride, dilation and groups of at least 1 and padding of at least 0, "
            f"got stride {stride}, padding {padding}, dilation {dilation}, groups {groups}"
        )
    N, C = x.shape[:2]
    outputs, K, channels, kh, kw = weight.shape
    if C % groups or outputs % groups or channels * groups != C or channels == 0 or kh == 0 or kw == 0:
        raise UsageError(
            f"a map of {C} channels in {groups} groups and a weight {tuple(weight.shape)} do not fit: the weight is "
            "[O, K, C/groups, kh, kw], and groups divides C and O"
        )
    h, w = Window.of(weight, list(stride), list(padding), list(dilation), groups).output_size(x)
    if h < 1 or w < 1:
        raise UsageError(f"the kernel ({kh}, {kw}) does not fit into the padded map of {x.shape[2]} x {x.shape[3]}")
    if scale is None:
        return
    if tuple(scale.shape) not in ((K,), (N, K)) or scale.device != x.device or not scale.is_floating_point():
        raise UsageError(
            f"expected a floating point scale of shape ({K},) or ({N}, {K}) on {x.device}, "
            f"got {scale.dtype} {tuple(scale.shape)} on {scale.device}"
        )
    if scale.requires_grad:
        raise UsageError("fb_quadratic computes no gradient of its scale; pass scale.detach(), or scale the weight")


def _empty_outputs(
    x: Tensor,
    weight: Tensor,
    _scale: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    _diagonal: bool,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    N, outputs, K = x.shape[0], *weight.shape[:2]
    h, w = Window.of(weight, stride, padding, dilation, groups).output_size(x)
    dtype = accumulation_dtype(x.dtype)
    products = x.new_empty((outputs, K, N * h * w) if keep else (0,), dtype=dtype)
    return x.new_empty((N, outputs, h, w), dtype=dtype), products


def _empty_gradients(_grad: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    wants_x, wants_weight = rest[-1]
    x_grad = torch.empty_like(x) if wants_x else x.new_empty(0)
    return x_grad, weight.new_empty(weight.shape if wants_weight else (0,))


def _mapped(_info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[tuple[Tensor, Tensor], Any]:
    x_dim, weight_dim, scale_dim = in_dims[:3]
    x, weight, scale, *rest = arguments
    *geometry, diagonal, _ = rest
    op = torch.ops.fbn.fb_quadratic.default
    if weight_dim is None and scale_dim is None and (scale is None or scale.dim() == 1):
        x = x.movedim(x_dim, 0)  # [B, N, C, H, W]
        # Kept products would need the mapped dimension in their middle, so the backward computes them again.
        out, none = op(x.flatten(0, 1), weight, scale, *geometry, diagonal, False)
        return (out.unflatten(0, x.shape[:2]), none), (0, None)
    B = next(tensor.shape[dim] for tensor, dim in zip(arguments, in_dims, strict=True) if dim is not None)
    inputs = [
        tuple(
            tensor if dim is None else tensor.select(dim, b)
            for tensor, dim in zip(arguments[:3], in_dims[:3], strict=True)
        )
        for b in range(B)
    ]
    outputs = [op(*tensors, *geometry, diagonal, False) for tensors in inputs]
    return (torch.stack([out for out, _ in outputs]), outputs[0][1]), (0, None)


def _count_flops(_x: Any, weight: tuple[int, ...], *_: Any, out_shape: Any, **__: Any) -> int:
    # Operations of the products f_ok . x alone, as PyTorch counts those of a convolution.
    N, _, h, w = out_shape[0]
    return 2 * int(N * h * w) * math.prod(weight)


def _count_backward_flops(
    grad: tuple[int, ...], _x: Any, weight: tuple[int, ...], _scale: Any, products: Any, *rest: Any, **__: Any
) -> int:
    N, _, h, w = grad
    number = int(sum(rest[-1])) + (products is None)
    return 2 * N * h * w * math.prod(weight) * number


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, scale, *rest, keep = inputs
    ctx.rest = rest
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # otherwise autograd allocates zeros of the products' size
    ctx.save_for_backward(x, weight, scale, output[1] if keep else None)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 9
    x, weight, scale, products = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[:2])
    gradients = torch.ops.fbn.fb_quadratic_backward.default(grad, x, weight, scale, products, *ctx.rest, wanted)
    return tuple(gradient if want else None for gradient, want in zip(gradients, wanted, strict=True)) + (None,) * 7


define_op(
    "fb_quadratic(Tensor x, Tensor weight, Tensor? scale, SymInt[2] stride, SymInt[2] padding, SymInt[2] dilation, "
    "SymInt groups, bool diagonal, bool keep) -> (Tensor out, Tensor products)",
    reference=fb_quadratic_reference,
    fake=_empty_outputs,
)
define_op(
    "fb_quadratic_backward(Tensor grad, Tensor x, Tensor weight, Tensor? scale, Tensor? products, SymInt[2] stride, "
    "SymInt[2] padding, SymInt[2] dilation, SymInt groups, bool diagonal, bool[2] wanted) -> (Tensor x, Tensor weight)",
    reference=fb_quadratic_backward_reference,
    fake=_empty_gradients,
)
register_flop_formula(torch.ops.fbn.fb_quadratic)(_count_flops)
register_flop_formula(torch.ops.fbn.fb_quadratic_backward)(_count_backward_flops)
torch.library.register_autograd("fbn::fb_quadratic", _backward, setup_context=_save_for_backward, lib=LIBRARY)
torch.library.register_vmap("fbn::fb_quadratic", _mapped, lib=LIBRARY)
forbid_double_backward("fb_quadratic")
