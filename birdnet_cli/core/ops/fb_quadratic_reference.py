"""`fbn::fb_quadratic` and its backward in plain PyTorch, portion by portion: [N, C, H, W] -> [N, O, h, w]."""

import torch
from torch import Tensor

from birdnet_cli.core.ops.gram import accumulation_dtype
from birdnet_cli.core.ops.window import Window

__all__ = ["fb_quadratic_backward_reference", "fb_quadratic_reference"]

# The products [o, K, n*L] of so many bytes exist at a time: on the CPU they stay in the cache from the matrix product
# through the square to the sum; an accelerator needs work for all of its cores instead.
CACHE_BYTES = 2**20
DEVICE_BYTES = 64 * 2**20
# Positions that an efficient matrix product wants.
ROWS = 512


def fb_quadratic_reference(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    diagonal: bool,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """Compute the form and, to `keep`, the products f_ok . x.

    Below, S is 1 where the samples share their scale and n where each has its own; M = n*L / S.

    Args:
        x: Tensor[N, C, H, W].
        weight: Tensor[O, K, C/groups, kh, kw].
        scale: Tensor[K] or Tensor[N, K] in the accumulating dtype, or None for 1.
        stride, padding, dilation, groups, diagonal: see `fb_quadratic`.
        keep: return the products; only without a scale.

    Returns:
        out: Tensor[N, O, h, w], and products: Tensor[O, K, N*L], or Tensor[0]; both in the accumulating dtype.
    """
    window = Window.of(weight, stride, padding, dilation, groups)
    N, outputs, K = x.shape[0], *weight.shape[:2]
    h, w = window.output_size(x)
    L = h * w
    dtype = accumulation_dtype(x.dtype)
    out = x.new_empty((N, outputs, h, w), dtype=dtype)
    products = x.new_empty((outputs, K, N * L) if keep else (0,), dtype=dtype)
    kept = _kept(scale)
    image_portions, class_portions = _plan(x, weight, window, L)
    for images in image_portions:
        n = images.stop - images.start
        columns = window.columns(x[images].to(dtype))  # [G, D, n*L]
        s = _scale(scale, images, kept)
        S = 1 if s is None else len(s)
        for group, classes in class_portions:
            f = _factors(weight[classes], kept, dtype)  # [o, K, D]
            y = torch.mm(f.flatten(0, 1), columns[group]).view(*f.shape[:2], n * L)  # [o, K, n*L]
            if keep:
                products[classes, :, images.start * L : images.stop * L] = y
            y = y.square_().view(*f.shape[:2], S, n * L // S)  # [o, K, S, M]
            if s is not None:
                y *= s.mT[:, :, None]
            form = y.sum(1)  # [o, S, M]
            if not diagonal:
                squares = columns[group].square().view(-1, *form.shape[1:])  # [D, S, M]
                form -= torch.bmm(_diagonal(f, s), squares.transpose(0, 1)).transpose(0, 1)
            out[images, classes] = form.reshape(-1, n, h, w).transpose(0, 1)
    return out, products


def fb_quadratic_backward_reference(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None,
    products: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    diagonal: bool,
    wanted: list[bool],
) -> tuple[Tensor, Tensor]:
    """Compute both gradients from p = 2 g s (f . x), the products of a portion times what comes from above.

    dF_ok = sum p_ok x - 2 f_ok o sum g s x^2 and dx = sum_ok p_ok f_ok - 2 x o sum_ok g s f_ok^2, without the second
    terms if the diagonal is kept. The authors' operators leave x out of the second term of dx; the published networks
    were trained with that gradient, which belongs to no function.

    Args:
        grad: g, Tensor[N, O, h, w].
        x, weight, scale, stride, padding, dilation, groups, diagonal: the forward's.
        products: the forward's, or None to compute them again.
        wanted: whether to compute the gradient of x, and of the weight.

    Returns:
        Tensor[N, C, H, W] and Tensor[O, K, C/groups, kh, kw] in the inputs' dtypes; Tensor[0] for what is not wanted.
    """
    window = Window.of(weight, stride, padding, dilation, groups)
    L = grad.shape[2] * grad.shape[3]
    dtype = grad.dtype
    wants_x, wants_weight = wanted
    x_grad = torch.empty_like(x) if wants_x else x.new_empty(0)
    weight_grad = weight.new_zeros(weight.flatten(2).shape if wants_weight else (0,), dtype=dtype)  # [O, K, D]
    kept = _kept(scale)
    image_portions, class_portions = _plan(x, weight, window, L)
    for images in image_portions:
        columns = window.columns(x[images].to(dtype))  # [G, D, n*L]
        columns_grad = torch.zeros_like(columns, memory_format=torch.contiguous_format)
        s = _scale(scale, images, kept)
        S = 1 if s is None else len(s)
        g = grad[images].flatten(2).transpose(0, 1).reshape(grad.shape[1], S, -1).mul(2)  # [O, S, M]
        for group, classes in class_portions:
            f = _factors(weight[classes], kept, dtype)  # [o, K, D]
            if products is None:
                p = torch.mm(f.flatten(0, 1), columns[group])  # [o*K, n*L]
            else:
                p = products[classes, :, images.start * L : images.stop * L].flatten(0, 1).clone()
            by_factor = p.view(*f.shape[:2], *g.shape[1:])  # [o, K, S, M]
            by_factor *= g[classes, None]
            if s is not None:
                by_factor *= s.mT[:, :, None]
            if wants_x:
                columns_grad[group].addmm_(f.flatten(0, 1).mT, p)
            f_grad = torch.mm(p, columns[group].mT).view_as(f) if wants_weight else None
            if not diagonal:
                g_samples = g[classes].transpose(0, 1)  # [S, o, M]
                samples = columns[group].reshape(-1, *g.shape[1:]).transpose(0, 1)  # [S, D, M]
                if wants_x:
                    again = torch.bmm(_diagonal(f, s).mT, g_samples).mul_(samples)  # [S, D, M]
                    columns_grad[group].view(-1, *g.shape[1:]).sub_(again.transpose(0, 1))
                if f_grad is not None:
                    moments = torch.bmm(g_samples, samples.square().mT)  # [S, o, D]
                    f_grad -= f * _spread(moments, s)
            if f_grad is not None:
                if kept is None:
                    weight_grad[classes] += f_grad
                else:
                    weight_grad[classes].index_add_(1, kept, f_grad)
        if wants_x:
            x_grad[images] = window.fold(columns_grad, x[images])
    return x_grad, weight_grad.to(weight.dtype).view(weight.shape if wants_weight else (0,))


def _plan(x: Tensor, weight: Tensor, window: Window, L: int) -> tuple[list[slice], list[tuple[int, slice]]]:
    # Portions of the images, and of the classes with their group: at least one image and one class.
    N, outputs, K = x.shape[0], *weight.shape[:2]
    each = outputs // window.groups
    budget = CACHE_BYTES if x.device.type == "cpu" else DEVICE_BYTES
    values = budget // accumulation_dtype(x.dtype).itemsize
    images = max(1, max(ROWS, values // max(1, K * each)) // L)
    classes = max(1, values // max(1, K * images * L))
    return (
        [slice(start, min(start + images, N)) for start in range(0, N, images)],
        [
            (group, slice(start, min(start + classes, group * each + each)))
            for group in range(window.groups)
            for start in range(group * each, group * each + each, classes)
        ],
    )


def _kept(scale: Tensor | None) -> Tensor | None:
    # Which factors of the batch count. Elsewhere than on the CPU, asking would make the host wait.
    if scale is None or scale.dim() == 2 or scale.device.type != "cpu":
        return None
    return scale.nonzero()[:, 0]


def _scale(scale: Tensor | None, images: slice, kept: Tensor | None) -> Tensor | None:
    # [S, K] of these images and of the factors that count.
    if scale is None:
        return None
    if scale.dim() == 2:
        return scale[images]
    return scale[None] if kept is None else scale[None, kept]


def _factors(weight: Tensor, kept: Tensor | None, dtype: torch.dtype) -> Tensor:
    # [o, K, D] of these classes and of the factors that count.
    f = weight.flatten(2)
    return (f if kept is None else f.index_select(1, kept)).to(dtype)


def _diagonal(f: Tensor, s: Tensor | None) -> Tensor:
    # sum_k s_k f_ok^2: [S, o, D]
    squares = f.square()
    return squares.sum(1)[None] if s is None else torch.einsum("sk,okd->sod", s, squares)


def _spread(moments: Tensor, s: Tensor | None) -> Tensor:
    # sum over samples of s_k times their moments: [S, o, D] -> [o, K or 1, D]
    return moments.transpose(0, 1) if s is None else torch.einsum("sk,sod->okd", s, moments)
