"""Newton's method with conjugate gradients, for linear heads of any smooth convex loss.

Rows A [n, r] -> V [r, K] and b [K] that minimise  ||V||^2 / 2 + C sum_i w_i loss_i(A V + b).

The bias is not penalised. So the centring of the rows changes no solution (a fold of the data needs no mean of its
own), and classes of unequal size pay nothing for their offset. LIBLINEAR penalises the bias, as the weight of a
constant feature; its solutions differ a little, the more the smaller C is.

Newton rather than L-BFGS: the second derivatives of these losses cost little, a one-vs-rest loss separates into K
problems that stop independently, and no history of past steps is kept in memory. V, the logits and the gradient are
float64, because at a large C the weights are small differences between logits and their targets; the directions, of
which one digit suffices, are computed in float32.
"""

import logging
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.heads.solver.loss import Loss
from birdnet_cli.core.heads.solver.triangular_rows import TriangularRows

__all__ = ["Solution", "minimize"]

logger = logging.getLogger(__name__)

MAX_STEPS = 100
MAX_PRODUCTS = 500
MAX_TRIALS = 30
# Each Newton direction is solved to this fraction of the gradient, and each line search to this fraction of the slope.
FORCING = 0.1
# Relative rounding error of a float64 sum.
ROUNDING = 1e-18
# Without a start, a large C is approached through rough solutions at smaller C, spaced by this factor: hard margins are
# found faster that way.
STRIDE, ROUGH = 10**0.5, 1e-2


@dataclass(frozen=True, eq=False)
class Solution:
    """A minimiser and its accuracy.

    Attributes:
        weight: V, float64 [r, K].
        bias: float64 [K].
        error: estimate of ||V - V*|| / ||V|| before the last step.
        steps: number of Newton steps.
    """

    weight: Tensor
    bias: Tensor
    error: float
    steps: int


def minimize(
    rows: Tensor,
    loss: Loss,
    *,
    C: float,
    tolerance: float,
    start: Solution | None = None,
    offset: Tensor | None = None,
    free_bias: bool = True,
) -> Solution:
    """Minimise  ||V||^2 / 2 + C loss(rows V + b)  over V and b.

    With the l2 penalty, the Newton decrement (the square root of twice the predicted gain of a step) is an upper
    estimate of ||V - V*||, and the method stops after a step whose predicted gain is small enough. (For a squared hinge
    at hard margins the estimate may be 3 times too small, since the step changes which margins are violated.)

    Args:
        rows: float32 [n, r].
        loss: the loss for the rows' labels, with float64 weights.
        C: weight of the loss.
        tolerance: largest estimate of ||V - V*|| / ||V|| before the last step; that step leaves about a tenth of it.
        start: a solution for another C.
        offset: a constant added to the logits, float64 [n, K].
        free_bias: False fixes b at 0.

    Raises:
        NumericsError: the objective overflows.
    """
    if start is None and C * rows.norm().item() ** 2 > len(rows):
        start = minimize(rows, loss, C=C / STRIDE, tolerance=max(ROUGH, tolerance), offset=offset, free_bias=free_bias)
    if start is None:
        bias = loss.initial_bias()
        if offset is not None or not free_bias:
            bias = torch.zeros_like(bias)
        z = torch.cat([bias.new_zeros(rows.shape[1], len(bias)), bias[None]])  # [r + 1, K], the bias last
    else:
        z = torch.cat([start.weight, start.bias[None]])
    matrix = TriangularRows(rows, bias=free_bias)
    bound, squared, size, step = 0.0, math.inf, 0.0, 0
    while squared > bound and step < MAX_STEPS:
        logits = matrix.logits(z) if offset is None else matrix.logits(z) + offset
        residual = loss.gradient(logits)
        curvature = loss.curvature(logits)
        # The objective is divided by C, so that a large C does not overflow float32.
        gradient = matrix.transposed_product(residual).add_(_penalise(z, 1 / C))
        bias_scale = C * loss.trace(curvature).clamp(min=torch.finfo(torch.float32).eps * len(rows))
        size = z[:-1].norm().item()
        bound = max((tolerance * size) ** 2, ROUNDING * C * len(rows))
        squared = C**2 * _dot(gradient, _precondition(gradient, bias_scale), separable=False).item()
        if squared <= bound:
            break
        direction, image = _newton_direction(
            matrix, loss, curvature, gradient, bias_scale, penalty=1 / C, floor=0.25 * bound / C**2
        )
        squared = -C * _dot(gradient, direction, separable=False).item()
        z += _line_search(loss, gradient, direction, logits, residual, image, penalty=1 / C) * direction
        step += 1
    if not math.isfinite(squared):
        raise NumericsError(f"the head at C = {C:.3g}: the objective is not finite: choose a smaller C")
    error = math.sqrt(max(squared, 0.0)) / size if size else 0.0
    if squared > bound:
        logger.warning("the head at C = %.3g stopped after %d steps at a relative error of %.1e", C, step, error)
    return Solution(z[:-1].clone(), z[-1].clone(), error, step)


def _newton_direction(
    matrix: TriangularRows,
    loss: Loss,
    curvature: Tensor,
    gradient: Tensor,
    bias_scale: Tensor,
    *,
    penalty: float,
    floor: float,
) -> tuple[Tensor, Tensor]:
    """Solve (Hessian) direction = -gradient by conjugate gradients; return it and its logits, [r + 1, K] and [n, K].

    Where the loss is separable, every class has its own step lengths, and converged classes leave the products.
    """
    K, separable = gradient.shape[1], loss.separable
    curvature, gradient, bias_scale = (values.float() for values in (curvature, gradient, bias_scale))
    direction, image = torch.zeros_like(gradient), torch.zeros_like(curvature)
    columns = torch.arange(K, device=gradient.device)
    residual = -gradient
    step = _precondition(residual, bias_scale)
    size = _dot(residual, step, separable=separable)  # [1, K], or [1, 1]
    goal = (FORCING**2 * size).clamp(min=floor / (K if separable else 1))
    for _ in range(MAX_PRODUCTS):
        unfinished = size > goal
        if not unfinished.any():
            break
        if separable and not unfinished.all():
            keep = unfinished[0].nonzero()[:, 0]
            columns, curvature, bias_scale = columns[keep], curvature[:, keep], bias_scale[keep]
            residual, step, size, goal = residual[:, keep], step[:, keep], size[:, keep], goal[:, keep]
        step_image = matrix.logits(step)
        product = matrix.transposed_product(loss.hessian_product(curvature, step_image)).add_(_penalise(step, penalty))
        length = size / _dot(step, product, separable=separable)
        direction.index_add_(1, columns, length * step)
        image.index_add_(1, columns, length * step_image)
        residual = residual - length * product
        scaled = _precondition(residual, bias_scale)
        before, size = size, _dot(residual, scaled, separable=separable)
        step = scaled + (size / before) * step
    return direction, image


def _line_search(
    loss: Loss, gradient: Tensor, direction: Tensor, logits: Tensor, residual: Tensor, image: Tensor, *, penalty: float
) -> Tensor:
    """Return approximately the best step lengths, [1, K] or [1, 1]: a root of the slope, which rises with the length.

    The logits move along `image`, so that no trial costs a product with the rows. `image` is rounded to float32, so
    only the change of the slope is computed from it, and not the slope itself.
    """
    separable = loss.separable
    first = _dot(gradient, direction, separable=separable)
    quadratic = _dot(_penalise(direction, penalty), direction, separable=separable)
    length, low, high = torch.ones_like(first), torch.zeros_like(first), torch.full_like(first, torch.inf)
    for _ in range(MAX_TRIALS):
        trial = logits + length * image
        slope = first + length * quadratic + _dot(loss.gradient(trial) - residual, image, separable=separable)
        done = slope.abs() <= FORCING * first.abs()
        if done.all():
            break
        slope_change = quadratic + _dot(image, loss.hessian_product(loss.curvature(trial), image), separable=separable)
        low, high = torch.where(slope < 0, length, low), torch.where(slope > 0, length, high)
        newton = length - slope / slope_change
        middle = torch.where(high.isinf(), 2 * length, (low + high) / 2)
        length = torch.where(done, length, torch.where((newton > low) & (newton < high), newton, middle))
    return length


def _penalise(z: Tensor, penalty: float) -> Tensor:
    return torch.cat([penalty * z[:-1], torch.zeros_like(z[-1:])])


def _precondition(z: Tensor, bias_scale: Tensor) -> Tensor:
    return torch.cat([z[:-1], z[-1:] / bias_scale])


def _dot(a: Tensor, b: Tensor, *, separable: bool) -> Tensor:
    product = (a * b).sum(dim=0, keepdim=True)
    return product if separable else product.sum(dim=1, keepdim=True)
