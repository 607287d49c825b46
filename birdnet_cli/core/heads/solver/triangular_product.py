"""Rows of a basis as a linear map, and its transpose: weights and bias [r + 1, k] <-> logits [n, k].

The rows of a Cholesky factor end in zeros, the more of them the earlier the row. So the rows are cut into slabs, each
as wide as its last value that is not zero, and almost half of the products is never computed.
"""

import torch
from torch import Tensor

__all__ = ["Slabs"]

SLAB_ROWS = 256


class Slabs:
    """Rows that stand for themselves in products; the last row of what they are multiplied with is the bias.

    A product has the precision of its operand: slabs are converted one at a time, so that no second copy of the rows
    is held.

    Args:
        rows: float32 [n, r].
        bias: False: the bias is a constant, whose derivative is 0.
    """

    def __init__(self, rows: Tensor, *, bias: bool = True) -> None:
        self.rows, self.dim = rows.shape
        self._slabs = [part[:, : _width(part)] for part in torch.split(rows, SLAB_ROWS)]
        self._bias = bias

    def logits(self, z: Tensor) -> Tensor:
        """Return rows z[:-1] + z[-1]. [r + 1, k] -> [n, k]."""
        return torch.cat([torch.addmm(z[-1], part.to(z.dtype), z[: part.shape[1]]) for part in self._slabs])

    def pull_back(self, residual: Tensor) -> Tensor:
        """Return the transposed product. [n, k] -> [r + 1, k]."""
        result = residual.new_zeros(self.dim + 1, residual.shape[1])
        if self._bias:
            result[-1] = residual.sum(dim=0)
        for part, part_residual in zip(self._slabs, torch.split(residual, SLAB_ROWS), strict=True):
            result[: part.shape[1]].addmm_(part.to(residual.dtype).mT, part_residual)
        return result


def _width(part: Tensor) -> int:
    used = part.ne(0).any(dim=0).nonzero()
    return int(used[-1]) + 1 if len(used) else 0
