"""Compact bilinear pooling, [N, C, L] -> [N, d]: each image's Gram matrix in the d dimensions of a Tensor Sketch."""

from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops.gram import accumulation_dtype, as_matrices, image_portions
from birdnet_cli.core.ops.library import LIBRARY, define_op, forbid_double_backward

__all__ = [
    "compact_bilinear_pool",
    "compact_bilinear_pool_backward_reference",
    "compact_bilinear_pool_reference",
]


def compact_bilinear_pool(x: Tensor, *, buckets: Tensor, signs: Tensor, dim: int) -> Tensor:
    """Sketch the Gram matrix G = X X^T of a feature map in `dim` dimensions.

    y_k = sum of a_i b_j G_ij over the pairs (i, j) with (h_i + g_j) mod dim = k, where (h, g) are the buckets and
    (a, b) the signs: the circular convolution of two count sketches, summed over positions, without a transform per
    position. Inner products of sketches estimate inner products of Gram matrices without bias. The op is linear in
    G: signed root and l2 normalization are the caller's. Products and sums are in float32 (float64 for float64);
    autocast changes nothing. Reverse mode only, and once: a second differentiation raises NotImplementedError, and
    forward-mode tangents stop here, as they do at every custom operator.

    Args:
        x: Tensor[N, C, L] or Tensor[N, C, H, W], float32, float64, bfloat16 or float16, any strides.
        buckets: Tensor[2, C], int64, in 0..dim-1, on x's device.
        signs: Tensor[2, C], -1 or 1 in any dtype, on x's device.
        dim: dimensions of the sketch, >= 1.

    Returns:
        Tensor[N, dim]; float64 for float64 input, else float32.

    Raises:
        UsageError: x is not a feature map of these shapes and dtypes, or the hashes do not fit it.

    Source: Gao, Beijbom, Zhang, Darrell, "Compact Bilinear Pooling", CVPR 2016, algorithm 2; Pham and Pagh,
    "Fast and Scalable Polynomial Kernels via Explicit Feature Maps", KDD 2013.
    """
    matrices = as_matrices(x)
    expected = (2, matrices.shape[1])
    if buckets.shape != expected or signs.shape != expected or buckets.dtype != torch.int64 or dim < 1:
        raise UsageError(
            f"expected int64 buckets and signs of shape {expected} and dim >= 1, got {buckets.dtype} buckets "
            f"{tuple(buckets.shape)}, signs {tuple(signs.shape)} and dim {dim}"
        )
    sketch: Tensor = torch.ops.fbn.compact_bilinear_pool.default(matrices, buckets, signs, dim)
    return sketch


def compact_bilinear_pool_reference(x: Tensor, buckets: Tensor, signs: Tensor, dim: int) -> Tensor:
    """Add the signed values of G [N, C, C] to their buckets; see `compact_bilinear_pool`."""
    sketch = _empty_output(x, buckets, signs, dim).zero_()
    bucket, sign = _pair_hashes(buckets, signs, dim, sketch.dtype)
    for images in image_portions(x):
        maps = x[images].to(sketch.dtype)  # [n, C, L]
        gram = torch.bmm(maps, maps.mT).flatten(1).mul_(sign)  # [n, C*C]
        sketch[images].index_add_(1, bucket, gram)
    return sketch


def compact_bilinear_pool_backward_reference(grad: Tensor, x: Tensor, buckets: Tensor, signs: Tensor) -> Tensor:
    """Compute dX = (dG + dG^T) X, where dG_ij is the signed gradient of the bucket of (i, j).

    Args:
        grad: Tensor[N, dim].
        x: Tensor[N, C, L], the forward's input.
        buckets: Tensor[2, C].
        signs: Tensor[2, C].

    Returns:
        Tensor[N, C, L] in x's dtype.
    """
    _, C, _ = x.shape
    result = torch.empty_like(x)
    bucket, sign = _pair_hashes(buckets, signs, grad.shape[1], grad.dtype)
    for images in image_portions(x):
        h = grad[images].index_select(1, bucket).mul_(sign).view(-1, C, C)
        result[images] = torch.bmm(h + h.mT, x[images].to(h.dtype))
    return result


def _pair_hashes(buckets: Tensor, signs: Tensor, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Bucket and sign of each (i, j) of the flat G.
    bucket = (buckets[0, :, None] + buckets[1]) % dim  # [C, C]
    sign = signs[0, :, None].to(dtype) * signs[1].to(dtype)  # [C, C]
    return bucket.flatten(), sign.flatten()


def _empty_output(x: Tensor, _buckets: Tensor, _signs: Tensor, dim: int) -> Tensor:
    return x.new_empty((x.shape[0], dim), dtype=accumulation_dtype(x.dtype))


def _empty_gradient(_grad: Tensor, x: Tensor, *_: Tensor) -> Tensor:
    return torch.empty_like(x)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs[:3])


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    x, buckets, signs = ctx.saved_tensors
    return torch.ops.fbn.compact_bilinear_pool_backward.default(grad, x, buckets, signs), None, None, None


define_op(
    "compact_bilinear_pool(Tensor x, Tensor buckets, Tensor signs, SymInt dim) -> Tensor",
    reference=compact_bilinear_pool_reference,
    fake=_empty_output,
)
define_op(
    "compact_bilinear_pool_backward(Tensor grad, Tensor x, Tensor buckets, Tensor signs) -> Tensor",
    reference=compact_bilinear_pool_backward_reference,
    fake=_empty_gradient,
)
torch.library.register_autograd("fbn::compact_bilinear_pool", _backward, setup_context=_save_for_backward, lib=LIBRARY)
forbid_double_backward("compact_bilinear_pool")
