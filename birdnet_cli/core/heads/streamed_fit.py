"""A head of more rows than a kernel matrix in memory can serve: the same objective, ascended block by block."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.problem import FitTask, HeadFit
from birdnet_cli.core.heads.solver import (
    Ascent,
    Candidate,
    CrossValidation,
    StreamedProblem,
    ascend,
    assess,
    build_blocks,
    dealt_order,
    sample_weights,
    uncentre,
)

__all__ = ["fit_streamed"]

# Largest relative distance of the objective from its minimum, of the head and of those that only choose C.
TOLERANCE, ROUGH = 1e-2, 3e-2
# Values of C in a row that do worse than the best so far, after which no larger one is tried: they take the longest.
PATIENCE = 2


def fit_streamed(task: FitTask) -> HeadFit:
    """Solve a task in memory that grows with N by a thousand values a row, whatever the number of dimensions.

    C and the temperature are found on one fold, left out of training: of so many rows, it tells as much as all folds
    of a small data set.

    Raises:
        DataError: all rows are equal.
        NumericsError: the kernel matrix of a block cannot be factored.
    """
    order = dealt_order(task.source)
    source, labels = task.source.reordered(order), task.labels[torch.from_numpy(order)]
    blocks = build_blocks(source, task.moments, device=task.device, progress=task.at("kernel"))
    weights = sample_weights(labels, balanced=task.balanced)
    problem = StreamedProblem(blocks, labels, weights, task.settings.head, task.num_classes)
    C, temperature, start = task.settings.C, 1.0, None
    candidates: tuple[Candidate, ...] = ()
    if task.folds is not None:
        found, start = _hold_out(task, problem, torch.from_numpy(task.folds[order] == 0))
        C, candidates = found.best.C, found.candidates
        if task.settings.calibrate:
            temperature = fit_temperature(found.logits[found.judged], labels[found.judged])
    solved = ascend(problem, C=float(C), tolerance=TOLERANCE, start=start, progress=task.at("solve"))
    task.report("solve", 1.0)
    weight, bias = uncentre(solved.weight.mT.contiguous().cpu(), solved.bias.cpu(), task.moments)
    task.report("weights", 1.0)
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


def _hold_out(task: FitTask, problem: StreamedProblem, out: Tensor) -> tuple[CrossValidation, Ascent]:
    """Train without the rows `out`, bool [N], at rising C; judge them; return the best solution beside that."""
    labels = problem.labels
    weights = torch.zeros(len(labels), dtype=torch.float64)
    weights[~out] = sample_weights(labels[~out], balanced=task.balanced)
    partial = replace(problem, weights=weights)
    judged = torch.isin(labels[out], labels[~out])
    Cs = task.grid(problem.blocks.mean_squared_norm)
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
            head=problem.head,
            balanced=task.balanced,
            folds=np.zeros(int(out.sum()), np.int64),
            judged=judged,
        )
        candidates.append(candidate)
        if best is None or (candidate.accuracy, -candidate.loss) > (best[0].accuracy, -best[0].loss):
            best, worse = (candidate, state), 0
        else:
            worse += candidate.accuracy < best[0].accuracy
        task.report("cross-validation", len(candidates) / len(Cs))
        # A minimum that passes do not reach is further off for every larger C.
        if worse >= PATIENCE or state.gap > ROUGH:
            break
    task.report("cross-validation", 1.0)
    if best is None:
        raise ValueError("expected at least one C")
    known = out.clone()
    known[out] = judged
    return CrossValidation(tuple(candidates), best[0], best[1].logits, known), best[1]
