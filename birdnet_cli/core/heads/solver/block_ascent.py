"""Block coordinate ascent of the dual: the objective of `newton.minimize`, on rows that stream past in blocks.

At the minimum, W = sum_i a_i x_i^T with a dual vector a_i = -C w_i grad loss_i for each row. A pass reads the blocks of
rows in turn and solves for the a_i of each block in the block's own Cholesky basis, with `newton.minimize`, while the
other blocks' a_i stay fixed and enter as an offset of the logits. Every such step raises the dual objective, so there
is no step size to choose, and the duality gap tells when to stop.

A free bias couples all blocks through the constraint sum_i a_i = 0, which the method of multipliers enforces: each row
gets a further, constant feature s, so that b = centre + s^2 sum_i a_i, and after each pass b becomes the centre.

Source: S. Shalev-Shwartz and T. Zhang, Stochastic Dual Coordinate Ascent Methods, JMLR 2013 (single rows, no bias);
R. T. Rockafellar, Augmented Lagrangians and Applications of the Proximal Point Algorithm, 1976 (the bias).
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.loss import Loss
from birdnet_cli.core.heads.solver.losses import create_loss
from birdnet_cli.core.heads.solver.newton import Solution, minimize
from birdnet_cli.core.heads.solver.streamed_blocks import RowBlocks

__all__ = ["Ascent", "StreamedProblem", "ascend"]

logger = logging.getLogger(__name__)

MAX_PASSES = 60
# A gain of the dual per pass below this share of the tolerance counts as stalled: where each pass gains 4/5 of the gain
# before, the remaining gains sum to about the tolerance.
STALLED = 0.25
# Relative error of a block's own part of W: less than the changes that the other blocks still make.
TOLERANCE = 3e-3


@dataclass(frozen=True, eq=False)
class StreamedProblem:
    """Minimise  ||W||^2 / 2 + C sum_i w_i loss(W x_i + b, y_i)  over W and a free b.

    Attributes:
        blocks: the rows.
        labels: int64 [N], in the order of the blocks.
        weights: weights of the rows, float64 [N]; rows of weight 0 are left out.
        head: one of `list_heads`.
        num_classes: K.
    """

    blocks: RowBlocks
    labels: Tensor
    weights: Tensor
    head: str
    num_classes: int

    def loss(self, place: slice = slice(None)) -> Loss:
        """Return the loss of the kept rows among those at `place`."""
        kept = self.weights[place] > 0
        labels, weights = (values[place][kept].to(self.blocks.device) for values in (self.labels, self.weights))
        return create_loss(self.head, labels, num_classes=self.num_classes, weights=weights)

    def kept(self, place: slice) -> Tensor:
        """Return which of the rows at `place` are not left out, bool [n]."""
        return (self.weights[place] > 0).to(self.blocks.device)


@dataclass(frozen=True, eq=False)
class Ascent:
    """State of a streamed solution; also the start of a solution for another C or for more rows.

    Attributes:
        weight: W^T for the centred, scaled rows, float32 [D, K].
        bias: the bias that minimises the objective at W, float64 [K].
        held: the bias that the duals imply, centre + s^2 sum_i a_i, float64 [K].
        centre: the multiplier's centre of the bias, float64 [K].
        duals: a_i, a matrix for each block, float32 [n, K].
        logits: logits of all rows, also of those left out, float32 [N, K], on the CPU.
        gap: relative duality gap of the objective with |b - centre|^2 / 2 s^2 added: an upper bound of its relative
            distance from the minimum, once the centre is the best bias.
        passes: passes over the rows, those that computed `logits` included.
    """

    weight: Tensor
    bias: Tensor
    held: Tensor
    centre: Tensor
    duals: tuple[Tensor, ...]
    logits: Tensor
    gap: float
    passes: int


def ascend(
    problem: StreamedProblem,
    *,
    C: float,
    tolerance: float,
    start: Ascent | None = None,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Ascent:
    """Return a solution whose `gap` is at most `tolerance`.

    Args:
        problem: rows, labels and loss.
        C: weight of the loss.
        tolerance: largest gap.
        start: a solution for another C, or for some of these rows.
        progress: called with an estimate of the finished fraction.
    """
    state = start or _zero_start(problem)
    bound, gap, passes = -math.inf, math.inf, 0
    while gap > tolerance and passes < MAX_PASSES:
        before = bound
        state, bound = _pass_over_blocks(problem, state, C=C)
        passes += 1
        # The objective costs a pass of its own: it is computed only once the dual has nearly stopped rising.
        if bound - before <= STALLED * tolerance * abs(bound):
            objective, bias, logits = _measure(problem, state, C=C)
            passes += 1
            pull = (bias - state.centre).square().sum().item() / (2 * problem.blocks.constant_square)
            gap = (objective + pull - bound) / objective
            state = replace(state, bias=bias, logits=logits)
            progress(min(1.0, tolerance / max(gap, tolerance)))
    if gap > tolerance:
        logger.warning("the head at C = %.3g stopped after %d passes, within %.1e of its minimum", C, passes, gap)
    return replace(state, gap=gap, passes=passes)


def _zero_start(problem: StreamedProblem) -> Ascent:
    blocks = problem.blocks
    duals = tuple(factor.new_zeros(len(factor), problem.num_classes) for factor in blocks.factors)
    weight = duals[0].new_zeros(blocks.source.dim, problem.num_classes)
    bias = problem.loss().initial_bias()
    return Ascent(weight, bias, bias, bias, duals, torch.empty(0), math.inf, 0)


def _pass_over_blocks(problem: StreamedProblem, state: Ascent, *, C: float) -> tuple[Ascent, float]:
    """Make a pass; return the new state, and the dual of the objective with |b - centre|^2 / 2 s^2 added."""
    blocks = problem.blocks
    weight, centre, duals = state.weight.clone(), state.held, list(state.duals)
    # The sum of all a_i moves the bias from the new centre by as much as it did from the old centre.
    bias = centre + (state.held - state.centre)
    conjugates = 0.0
    for index, (place, rows, factor) in enumerate(blocks.read()):
        kept = problem.kept(place)
        basis, part = factor[kept], (factor.mT @ duals[index]).double()  # this block's part of W in its basis, [n, K]
        if not len(basis):
            continue
        offset = (rows[kept] @ weight).double().add_(bias).sub_(basis.double() @ part)
        loss = problem.loss(place)
        start = Solution(part, torch.zeros_like(bias), 0.0, 0) if part.any() else None
        solution = minimize(basis, loss, C=C, tolerance=TOLERANCE, start=start, offset=offset, free_bias=False)
        logits = basis.double() @ solution.weight + offset
        dual = torch.linalg.solve_triangular(factor.mT, solution.weight.float(), upper=True)  # [n, K]
        # -C loss*(-a / C), by the Fenchel-Young equality, which holds at the block's exact solution.
        conjugates += C * loss.value(logits).item() + (dual[kept] * logits).sum().item()
        change = dual - duals[index]
        duals[index] = dual
        weight.addmm_(rows.mT, change)
        bias += blocks.constant_square * change.sum(dim=0, dtype=torch.float64)
    total = (bias - centre) / blocks.constant_square  # sum of all a_i
    bound = conjugates - weight.norm().item() ** 2 / 2 - (total @ ((bias - centre) / 2 + centre)).item()
    return Ascent(weight, bias, bias, centre, tuple(duals), state.logits, math.inf, 0), bound


def _measure(problem: StreamedProblem, state: Ascent, *, C: float) -> tuple[float, Tensor, Tensor]:
    """Return the objective, the bias that minimises it at this W, and the logits [N, K], in one pass.

    The duals approach the bias more slowly than W: with the bias that they imply, the objective would be two to five
    times as far from its minimum.
    """
    logits = torch.empty(len(problem.labels), problem.num_classes)
    for place, rows, _ in problem.blocks.read():
        logits[place] = (rows @ state.weight).cpu()
    kept, loss = problem.kept(slice(None)), problem.loss()
    offset = logits[kept.cpu()].to(kept.device).double() + state.held
    zero_rows = torch.zeros(len(offset), 1, device=kept.device)
    bias = state.held + minimize(zero_rows, loss, C=C, tolerance=TOLERANCE, offset=offset).bias
    objective = state.weight.norm().item() ** 2 / 2 + C * loss.value(offset - state.held + bias).item()
    return objective, bias, logits + bias.cpu().float()
