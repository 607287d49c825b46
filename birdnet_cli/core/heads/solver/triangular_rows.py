"""The rows of a basis as a matrix, for products with it and its transpose: [r + 1, k] <-> [n, k].

Row i of a Cholesky factor has its nonzero values in the first i + 1 columns. The rows are kept in parts of 256, each
cut after its last nonzero column, so that almost half of the multiplications is left out.
"""

import torch
from torch import Tensor

__all__ = ["TriangularRows"]

PART_ROWS = 256


class TriangularRows:
    """A matrix A [n, r] of rows, for logits A V + b and the transposed product.

    A product has the precision of its operand: parts are converted one after the other, so that no second copy of the
    rows is held.

    Args:
        rows: float32 [n, r].
        bias: False fixes the bias: its derivative is 0.
    """

    def __init__(self, rows: Tensor, *, bias: bool = True) -> None:
        self.rows, self.dim = rows.shape
        self._parts = [part[:, : _width(part)] for part in torch.split(rows, PART_ROWS)]
        self._bias = bias

    def logits(self, z: Tensor) -> Tensor:
        """Return A z[:-1] + z[-1], the last row of z being the bias. [r + 1, k] -> [n, k]."""
        return torch.cat([torch.addmm(z[-1], part.to(z.dtype), z[: part.shape[1]]) for part in self._parts])

    def transposed_product(self, residual: Tensor) -> Tensor:
        """Return A^T residual, and the sum of the residual's rows as the last row. [n, k] -> [r + 1, k]."""
        result = residual.new_zeros(self.dim + 1, residual.shape[1])
        if self._bias:
            result[-1] = residual.sum(dim=0)
        for part, part_residual in zip(self._parts, torch.split(residual, PART_ROWS), strict=True):
            result[: part.shape[1]].addmm_(part.to(residual.dtype).mT, part_residual)
        return result


def _width(part: Tensor) -> int:
    used = part.ne(0).any(dim=0).nonzero()
    return int(used[-1]) + 1 if len(used) else 0
