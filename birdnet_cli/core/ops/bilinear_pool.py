"""Bilinear pooling, [N, C, L] -> [N, C(C+1)/2]: the normalised signed root of each image's Gram matrix."""

from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.ops.gram import accumulation_dtype, as_matrices, image_portions
from birdnet_cli.core.ops.library import LIBRARY, define_op, forbid_double_backward

__all__ = ["ROOT_FLOOR", "bilinear_pool", "bilinear_pool_backward_reference", "bilinear_pool_reference"]

# The gradient of the root, du / |u|, is unbounded at u = 0. Every implementation computes it as
# du |u| / max(|u|, ROOT_FLOOR)^2: exact from the floor up, linear down to exactly 0 below it, never above
# |du| / ROOT_FLOOR. At u = 2^-20 the product g is 2^-40 of sum |G|; in float32 the rounding of a signed g is already
# as large, so what is clamped is noise. The root mean square of u is 1/C, 2^-9 for 512 channels.
ROOT_FLOOR = 2.0**-20

# Compiled kernels begin their error with the same words.
BROKEN_PROMISE = "bilinear_pool: nonnegative=True promised a map without values below 0"


def bilinear_pool(x: Tensor, *, nonnegative: bool = False, packed: bool = True) -> Tensor:
    """Pool a feature map into the signed root of its Gram matrix, l2-normalised.

    G = X X^T, z = sign(G) sqrt|G|, u = z / ||z||. Products and sums are in float32 (float64 for float64), so half
    precision input cannot overflow; autocast changes nothing. A value of exactly 0 in G gives 0 with gradient 0; a map
    of zeros gives the zero vector. A map with NaN or infinity, or whose products overflow, gives NaN throughout.
    Gradients near 0 are bounded by `ROOT_FLOOR`. Reverse mode only, and once: a second differentiation raises
    NotImplementedError, and forward-mode tangents stop here, as they do at every custom operator.

    Args:
        x: Tensor[N, C, L] or Tensor[N, C, H, W], float32, float64, bfloat16 or float16, any strides.
        nonnegative: x holds no value below 0 (it comes out of a ReLU), so that ||z||^2 = sum_p (sum_c x_cp)^2 is known
            before the product. A negative value raises on the CPU; where raising would make the host wait for an
            accelerator, that image's descriptor is NaN instead.
        packed: keep the upper triangle, row by row, off-diagonal values times sqrt(2), which preserves every inner
            product; otherwise all of the C x C values, row by row.

    Returns:
        Tensor[N, C(C+1)/2], or Tensor[N, C*C] if not packed; float64 for float64 input, else float32.

    Raises:
        UsageError: x is not a feature map of these shapes and dtypes.
        NumericsError: a negative value, on the CPU, where `nonnegative` promised none. From inside a compiled graph it
            comes as a RuntimeError with the same words.

    Source: Lin, RoyChowdhury, Maji, "Bilinear CNN Models for Fine-grained Visual Recognition", ICCV 2015, section 3.
    """
    matrices = as_matrices(x)
    try:
        descriptor: Tensor = torch.ops.fbn.bilinear_pool.default(matrices, nonnegative, packed)[0]
    except RuntimeError as error:
        # The only type that a compiled kernel can raise.
        if str(error).startswith(BROKEN_PROMISE):
            raise NumericsError(str(error)) from None
        raise
    return descriptor


def bilinear_pool_reference(x: Tensor, nonnegative: bool, packed: bool) -> tuple[Tensor, Tensor]:
    """Compute u and the scale s = 1 / ||z|| (0 for a map of zeros), which the backward needs.

    Args:
        x: Tensor[N, C, L].
        nonnegative: see `bilinear_pool`.
        packed: see `bilinear_pool`.

    Returns:
        u: Tensor[N, C(C+1)/2 or C*C], and s: Tensor[N]; both in the accumulating dtype.
    """
    descriptor, scale = _empty_outputs(x, nonnegative, packed)
    triangle = _upper_triangle(x) if packed else None
    for images in image_portions(x):
        maps = x[images].to(descriptor.dtype)  # [n, C, L]
        gram = torch.bmm(maps, maps.mT).flatten(1)  # [n, C*C]
        if triangle is not None:
            position, multiplicity = triangle
            gram = gram.index_select(1, position).mul_(multiplicity)  # [n, C(C+1)/2]
        total = _known_total(maps, images.start) if nonnegative else gram.abs().sum(1)  # [n]
        scale[images] = total.rsqrt().masked_fill_(total == 0, 0.0).masked_fill_(total.isinf(), torch.nan)
        torch.mul(gram.sign(), gram.abs_().sqrt_(), out=descriptor[images]).mul_(scale[images, None])
    return descriptor, scale


def bilinear_pool_backward_reference(
    grad: Tensor, x: Tensor, descriptor: Tensor, scale: Tensor, packed: bool
) -> Tensor:
    """Compute dX = H X with H = s^2 (du / |u| - <du, u> sign(u)), symmetric and 0 where u is 0.

    In packed units the formula holds for diagonal and off-diagonal values alike; the full form is the mean of H and
    H^T. A factor s is applied to X before the product and once more to the result: s^2 alone overflows for a map so
    small that its products are subnormal.

    Args:
        grad: gradient of u, the same shape and dtype as `descriptor`.
        x: Tensor[N, C, L], the forward's input.
        descriptor: u.
        scale: Tensor[N], s.
        packed: see `bilinear_pool`.

    Returns:
        Tensor[N, C, L] in x's dtype.
    """
    _, C, _ = x.shape
    result = torch.empty_like(x)
    pair = _pair_positions(x) if packed else None
    for images in image_portions(x):
        u, du = descriptor[images], grad[images]
        magnitude = u.abs()
        h = du * magnitude / magnitude.clamp_min(ROOT_FLOOR).square_()  # [n, D]
        h -= (du * u).sum(1, keepdim=True) * u.sign()
        h = (h if pair is None else h.index_select(1, pair)).view(-1, C, C)  # [n, C, C]
        if not packed:
            h = (h + h.mT) / 2
        s = scale[images, None, None]
        result[images] = torch.bmm(h, x[images].to(h.dtype) * s).mul_(s)
    return result


def _known_total(maps: Tensor, first: int) -> Tensor:
    # sum |G| = sum G of non-negative maps [n, C, L]; NaN for a map that is not.
    lowest = maps.flatten(1).amin(1)  # [n]
    if maps.device.type == "cpu" and bool((lowest < 0).any()):
        image = int((lowest < 0).int().argmax())
        raise NumericsError(
            f"{BROKEN_PROMISE}, but image {first + image} of the batch goes down to {lowest[image]:g}; "
            "pass nonnegative=False for a map that does not come out of a ReLU"
        )
    return maps.sum(1).square_().sum(1).masked_fill_(lowest < 0, torch.nan)


def _upper_triangle(x: Tensor) -> tuple[Tensor, Tensor]:
    # Position in the flat G of each packed value, and how often the full G holds it: sqrt(2 g) = sqrt(2) sqrt(g).
    C = x.shape[1]
    row, column = torch.triu_indices(C, C, device=x.device)
    return row * C + column, torch.where(row == column, 1, 2)


def _pair_positions(x: Tensor) -> Tensor:
    # Position in the packed descriptor of each (i, j) of the flat G.
    C = x.shape[1]
    row, column = torch.triu_indices(C, C, device=x.device)
    position = torch.arange(len(row), device=x.device)
    pair = torch.empty(C, C, dtype=torch.int64, device=x.device)
    pair[row, column] = position
    pair[column, row] = position
    return pair.flatten()


def _empty_outputs(x: Tensor, _nonnegative: bool, packed: bool) -> tuple[Tensor, Tensor]:
    N, C, _ = x.shape
    dtype = accumulation_dtype(x.dtype)
    columns = C * (C + 1) // 2 if packed else C * C
    return x.new_empty((N, columns), dtype=dtype), x.new_empty((N,), dtype=dtype)


def _empty_gradient(_grad: Tensor, x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _pool_mapped(
    _info: Any, in_dims: tuple[int | None, ...], x: Tensor, nonnegative: bool, packed: bool
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    x = x.movedim(in_dims[0] or 0, 0)  # [B, N, C, L]
    batch = x.shape[:2]
    descriptor, scale = torch.ops.fbn.bilinear_pool.default(x.flatten(0, 1), nonnegative, packed)
    return (descriptor.view(*batch, descriptor.shape[1]), scale.view(batch)), (0, 0)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    descriptor, scale = output
    ctx.packed = inputs[2]
    ctx.mark_non_differentiable(scale)
    ctx.save_for_backward(inputs[0], descriptor, scale)


def _backward(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor, None, None]:
    x, descriptor, scale = ctx.saved_tensors
    return torch.ops.fbn.bilinear_pool_backward.default(grad, x, descriptor, scale, ctx.packed), None, None


define_op(
    "bilinear_pool(Tensor x, bool nonnegative, bool packed) -> (Tensor descriptor, Tensor scale)",
    reference=bilinear_pool_reference,
    fake=_empty_outputs,
)
define_op(
    "bilinear_pool_backward(Tensor grad, Tensor x, Tensor descriptor, Tensor scale, bool packed) -> Tensor",
    reference=bilinear_pool_backward_reference,
    fake=_empty_gradient,
)
torch.library.register_autograd("fbn::bilinear_pool", _backward, setup_context=_save_for_backward, lib=LIBRARY)
torch.library.register_vmap("fbn::bilinear_pool", _pool_mapped, lib=LIBRARY)
forbid_double_backward("bilinear_pool")
