"""The solution in a basis -> W [K, D] and b [K] of raw descriptors: W = (L^-T V)^T X, then uncentred."""

from collections.abc import Callable

import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.basis import Basis
from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, centred_chunks

__all__ = ["recover_weight", "uncentre"]


def recover_weight(
    basis: Basis,
    source: RowSource,
    moments: Moments,
    *,
    weight: Tensor,
    bias: Tensor,
    progress: Callable[[float], None],
) -> tuple[Tensor, Tensor]:
    """Return the head on raw descriptors that gives the same logits as a head solved in the basis.

    With rows L = chol(X X^T), W = (L^-T V)^T X is accumulated in one more pass over the source; mean and scale move
    into W and b.

    Args:
        basis: rows L [N, r] that the head was solved on.
        source: the N raw rows [N, D] of the basis, in the same order.
        moments: mean and scale [D] with which the basis was built.
        weight: V, float64 [r, K], the solution in the basis.
        bias: bias of that solution, float64 [K].
        progress: called with the finished fraction of the pass.

    Returns:
        W, float32 [K, D], and b, float32 [K]: logits = W descriptor + b.
    """
    if basis.factored:
        dual = torch.linalg.solve_triangular(basis.rows.mT, weight.float(), upper=True)  # [N, K]
        bias = bias + basis.shift * dual.sum(dim=0, dtype=torch.float64)
        full = dual.new_zeros(weight.shape[1], source.dim)
        for start, chunk in centred_chunks(source, moments):
            full.addmm_(dual[start : start + len(chunk)].mT, chunk.to(dual.device))
            progress((start + len(chunk)) / source.rows)
    else:
        full = weight.mT.float().contiguous()
        progress(1.0)
    return uncentre(full.cpu(), bias.cpu(), moments)


def uncentre(weight: Tensor, bias: Tensor, moments: Moments) -> tuple[Tensor, Tensor]:
    """Return W, float32 [K, D], and b, float32 [K], of raw rows instead of centred and scaled ones.

    Args:
        weight: float32 [K, D], overwritten.
        bias: float64 [K].
        moments: mean and scale of the raw rows.
    """
    if moments.scale is not None:
        weight *= torch.from_numpy(moments.scale)
    # Row by row: a float64 copy of W would be the largest tensor in memory.
    mean = torch.from_numpy(moments.mean).double()
    offset = torch.stack([row.double() @ mean for row in weight])
    return weight, (bias - offset).float()
