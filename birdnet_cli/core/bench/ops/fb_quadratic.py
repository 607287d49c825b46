"""Ways to write the Factorized Bilinear form without its diagonal, [N, C, L] -> [N, O, L], for comparison with ours.

All are functions of the map and of one weight, whose gradient is computed with the map's.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from birdnet_cli.core.bench.ops.contender import Contender, OpBench, Shape
from birdnet_cli.core.ops import fb_quadratic

__all__ = ["FB_QUADRATIC", "fb_contenders", "replicated_bytes"]

# The CIFAR-100 networks of the paper.
CLASSES = 100
FACTORS = 20

Form = Callable[[Tensor, Tensor], Tensor]


def fb_contenders(
    channels: int, device: torch.device, *, classes: int = CLASSES, factors: int = FACTORS
) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Return name -> function of maps [N, C, L].

    `eager` squares and sums all products of one convolution; `compile` is the same under torch.compile; `loop` and
    `replicate` are the algorithms of the authors' FMConvolution1 and FMConvolution3; `fbn` is ours, and `fbn-drop` ours
    with every second factor dropped, as DropFactor trains it.

    Args:
        channels: C.
        device: device of the maps.
        classes: O.
        factors: K.
    """
    drawn = torch.randn(classes, factors, channels, generator=torch.Generator().manual_seed(0))
    weight = drawn.mul_((2 / (factors * channels)) ** 0.5).to(device).requires_grad_()
    scale = torch.tensor([2.0, 0.0], device=device).repeat((factors + 1) // 2)[:factors]

    def bind(form: Form) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            # Where the map needs no gradient, neither does the weight: an evaluation.
            return form(x, (weight if x.requires_grad else weight.detach()).to(x.dtype))

        return run

    return {
        "eager": bind(_convolve),
        "fbn": bind(_ours),
        "fbn-drop": bind(lambda x, f: _ours(x, f, scale=scale)),
        "compile": bind(torch.compile(_convolve, dynamic=False)),
        "loop": bind(_loop),
        "replicate": bind(_replicate),
    }


def replicated_bytes(N: int, C: int, L: int, *, classes: int = CLASSES) -> int:
    """Return the size of the windows that `replicate` holds once for every class, in float32."""
    return 4 * classes * C * N * L


def _ours(x: Tensor, f: Tensor, *, scale: Tensor | None = None) -> Tensor:
    return fb_quadratic(x[..., None], f[..., None, None], diagonal=False, scale=scale)[..., 0]


def _convolve(x: Tensor, f: Tensor) -> Tensor:
    N, _, L = x.shape
    classes, factors, _ = f.shape
    products = functional.conv1d(x, f.flatten(0, 1)[..., None]).view(N, classes, factors, L)
    diagonal = functional.conv1d(x.square(), f.square().sum(1)[..., None])
    return products.square().sum(2) - diagonal


def _loop(x: Tensor, f: Tensor) -> Tensor:
    """One class at a time: F^T (F X) o X, summed over the channels, less the diagonal."""
    N, C, L = x.shape
    columns = x.transpose(0, 1).reshape(C, N * L)
    squares = columns.square()
    rows = [((F.mT @ (F @ columns)) * columns).sum(0) - F.square().sum(0) @ squares for F in f]
    return torch.stack(rows).view(-1, N, L).transpose(0, 1)


def _replicate(x: Tensor, f: Tensor) -> Tensor:
    """The same for all classes in batched products, for which X is there once per class."""
    N, C, L = x.shape
    columns = x.transpose(0, 1).reshape(1, C, N * L).expand(len(f), -1, -1).contiguous()  # [O, C, N*L]
    form = (torch.bmm(f.mT, torch.bmm(f, columns)) * columns).sum(1)
    form = form - torch.bmm(f.square().sum(1, keepdim=True), columns.square())[:, 0]
    return form.view(-1, N, L).transpose(0, 1)


def _contenders(channels: int, device: torch.device) -> Mapping[str, Contender]:
    ways = {name: Contender(way) for name, way in fb_contenders(channels, device).items()}
    return ways | {"replicate": Contender(ways["replicate"].forward, lambda shape: replicated_bytes(*shape))}


def _flops(shape: Shape) -> tuple[int, int]:
    # Operations of the products with F alone: one product in the forward, two in the backward.
    products = 2 * shape.N * shape.L * shape.C * CLASSES * FACTORS
    return products, 2 * products


FB_QUADRATIC = OpBench(contenders=_contenders, flops=_flops, shapes=(Shape(32, 256, 64),))
