"""The streamed solver: the objective of the exact solver, minimised block by block where no kernel matrix fits."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.problem import HeadFit, HeadProblem
from birdnet_cli.core.heads.solver import (
    Ascent,
    Candidate,
    CrossValidation,
    StreamedProblem,
    ascend,
    assess,
    build_blocks,
    sample_weights,
    spread_order,
    uncentre,
)

__all__ = ["fit_streamed"]

# Largest relative distance of the objective from its minimum: of the head, and of the heads that only choose C.
TOLERANCE, ROUGH = 1e-2, 3e-2
# After so many successive values of C with a lower accuracy than the best, no larger C is tried: large C take longest.
PATIENCE = 2


def fit_streamed(problem: HeadProblem) -> HeadFit:
    """Solve a problem in memory of about 1,000 values per row, whatever the number of dimensions.

    C and the temperature are chosen on a single held-out fold: with so many rows it is as reliable as all folds of a
    small data set.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix of a block cannot be factored.
    """
    order = spread_order(problem.source)
    source, labels = problem.source.reordered(order), problem.labels[torch.from_numpy(order)]
    blocks = build_blocks(source, problem.moments, device=problem.device, progress=problem.at("kernel"))
    weights = sample_weights(labels, balanced=problem.balanced)
    streamed = StreamedProblem(blocks, labels, weights, problem.settings.head, problem.num_classes)
    C, temperature, start = problem.settings.C, 1.0, None
    candidates: tuple[Candidate, ...] = ()
    if problem.folds is not None:
        found, start = _hold_out(problem, streamed, torch.from_numpy(problem.folds[order] == 0))
        C, candidates = found.best.C, found.candidates
        if problem.settings.calibrate:
            temperature = fit_temperature(found.logits[found.judged], labels[found.judged])
    solved = ascend(streamed, C=float(C), tolerance=TOLERANCE, start=start, progress=problem.at("solve"))
    problem.report("solve", 1.0)
    weight, bias = uncentre(solved.weight.mT.contiguous().cpu(), solved.bias.cpu(), problem.moments)
    problem.report("weights", 1.0)
    return HeadFit(
        weight,
        bias,
        float(C),
        temperature,
        candidates,
        blocks.mean_squared_norm,
        blocks.jitter,
        solved.gap,
        "streamed",
    )


def _hold_out(problem: HeadProblem, streamed: StreamedProblem, out: Tensor) -> tuple[CrossValidation, Ascent]:
    """Train without the rows `out`, bool [N], at rising C; assess them; also return the best solution."""
    labels = streamed.labels
    weights = torch.zeros(len(labels), dtype=torch.float64)
    weights[~out] = sample_weights(labels[~out], balanced=problem.balanced)
    partial = replace(streamed, weights=weights)
    judged = torch.isin(labels[out], labels[~out])
    Cs = problem.grid(streamed.blocks.mean_squared_norm)
    candidates: list[Candidate] = []
    state: Ascent | None = None
    best: tuple[Candidate, Ascent] | None = None
    worse = 0
    for C in Cs:
        state = ascend(partial, C=C, tolerance=ROUGH, start=state)
        candidate = assess(
            C,
            state.logits[out],
            labels[out],
            head=streamed.head,
            balanced=problem.balanced,
            folds=np.zeros(int(out.sum()), np.int64),
            judged=judged,
        )
        candidates.append(candidate)
        if best is None or (candidate.accuracy, -candidate.loss) > (best[0].accuracy, -best[0].loss):
            best, worse = (candidate, state), 0
        else:
            worse += candidate.accuracy < best[0].accuracy
        problem.report("cross-validation", len(candidates) / len(Cs))
        # Where the passes do not reach the minimum, they miss it by more at every larger C.
        if worse >= PATIENCE or state.gap > ROUGH:
            break
    problem.report("cross-validation", 1.0)
    if best is None:
        raise ValueError("expected at least one C")
    known = out.clone()
    known[out] = judged
    return CrossValidation(tuple(candidates), best[0], best[1].logits, known), best[1]
