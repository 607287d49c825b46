"""Isometric image of the data in at most N dimensions: [N, D] -> rows [N, r] with the same inner products.

A linear model with an l2 penalty gives the same logits whether it is trained on the image or on the descriptors. Where
D <= N the image is the centred descriptors themselves; otherwise it is L of the Cholesky factorisation L L^T of their
kernel matrix.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.heads.solver.kernel_matrix import kernel_matrix
from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, centred_chunks

__all__ = ["Basis", "build_basis", "check_spread", "factor_kernel"]

logger = logging.getLogger(__name__)

# Tried in turn, as fractions of the mean squared norm. float32 products leave noise of 1e-6 in a kernel matrix, so a
# kernel that is singular because rows repeat needs about that much; more than 1e-3 would change the problem.
JITTERS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)


@dataclass(frozen=True, eq=False)
class Basis:
    """The rows that the solvers work on.

    Attributes:
        rows: float32 [N, r].
        mean_squared_norm: mean squared norm of the centred (and scaled) descriptors.
        factored: rows come from the Cholesky factorisation of the kernel matrix, not from the descriptors themselves.
        jitter: value added to the kernel's diagonal, as a fraction of the mean squared norm.
        shift: value added to every element of the kernel.
    """

    rows: Tensor
    mean_squared_norm: float
    factored: bool
    jitter: float = 0.0
    shift: float = 0.0


def build_basis(
    source: RowSource, moments: Moments, *, device: torch.device | None = None, progress: Callable[[float], None]
) -> Basis:
    """Return the isometric image of the rows: streamed once where D <= N, else as often as the kernel matrix needs.

    Args:
        source: raw rows [N, D].
        moments: their mean and scale.
        device: where the image lies; None is the CPU.
        progress: called with the finished fraction.

    Raises:
        DataError: all rows are equal, so that no head can tell classes apart.
        NumericsError: the kernel matrix has no Cholesky factorisation, even with the largest jitter.
    """
    if source.dim > source.rows:
        return _factored(kernel_matrix(source, moments, device=device, progress=progress))
    rows = torch.empty(source.rows, source.dim, device=device)
    for start, chunk in centred_chunks(source, moments):
        rows[start : start + len(chunk)] = chunk
        progress((start + len(chunk)) / source.rows)
    return Basis(rows, check_spread(rows.norm().item() ** 2 / source.rows), factored=False)


def factor_kernel(kernel: Tensor, *, mean_squared_norm: float) -> tuple[Tensor, float]:
    """Return L of kernel = L L^T, and the jitter added, as a fraction of the mean squared norm.

    Args:
        kernel: float32 [N, N]; overwritten.
        mean_squared_norm: mean of its diagonal.

    Raises:
        NumericsError: the kernel is not positive definite, even with the largest jitter.
    """
    added = 0.0
    for jitter in JITTERS:
        kernel.diagonal().add_((jitter - added) * mean_squared_norm)
        added = jitter
        factor, failure = torch.linalg.cholesky_ex(kernel)
        if failure.item() == 0:
            if jitter:
                logger.warning("the kernel matrix is singular: added %.0e of the mean squared norm to it", jitter)
            return factor, jitter
    raise NumericsError(
        f"the kernel matrix of {len(kernel)} descriptors: expected it to be positive definite after adding "
        f"{JITTERS[-1]:.0e} of the mean squared norm, and it is not: verify the cache, or standardize the features"
    )


def check_spread(mean_squared_norm: float) -> float:
    """Return the mean squared norm of centred rows.

    Raises:
        DataError: it is 0.
        NumericsError: it is not finite.
    """
    if mean_squared_norm == 0:
        raise DataError("all descriptors are equal, so no head can tell classes apart: check the images and backbone")
    if not math.isfinite(mean_squared_norm):
        raise NumericsError("the squared norm of the descriptors overflows float32: scale the descriptors down")
    return mean_squared_norm


def _factored(kernel: Tensor) -> Basis:
    mean_squared_norm = check_spread(kernel.diagonal().mean(dtype=torch.float64).item())
    # Centred rows sum to zero, so their kernel is always singular. Adding a constant to every element equals a constant
    # feature in every row: the kernel becomes regular, and with a free intercept that feature's weight is zero, so that
    # no solution changes.
    shift = mean_squared_norm / len(kernel)
    rows, jitter = factor_kernel(kernel.add_(shift), mean_squared_norm=mean_squared_norm)
    return Basis(rows, mean_squared_norm, factored=True, jitter=jitter, shift=shift)
