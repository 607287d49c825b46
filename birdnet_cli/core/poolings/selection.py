"""Variance selection, [N, D] -> [N, m]: keep the components that vary most over the training split."""

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import NumericsError, UsageError

__all__ = ["Selection", "VarianceAccumulator"]

# Components that are converted to float64 at a time: 16 MB for a block of 512 descriptors.
COLUMNS = 4096


class Selection(nn.Module):
    """Keep m components of a descriptor.

    The indices are a buffer. Until `load` or `load_state_dict` has set them they are -1 and the module refuses to
    run.

    Args:
        full_dim: D.
        dim: m, at most D.

    Raises:
        UsageError: m is larger than D.
    """

    indices: Tensor

    def __init__(self, full_dim: int, *, dim: int) -> None:
        super().__init__()
        if dim > full_dim:
            raise UsageError(f"cannot select {dim} of {full_dim} components: select {full_dim} or fewer")
        self.full_dim = full_dim
        self.dim = dim
        self.register_buffer("indices", torch.full((dim,), -1))
        self.fitted = False
        self.register_load_state_dict_post_hook(self._check_loaded)  # type: ignore[no-untyped-call]

    def load(self, indices: Tensor) -> None:
        """Take a fit: ascending indices [m], int64, in 0..D-1, as `VarianceAccumulator.top` returns them.

        Raises:
            UsageError: indices out of range, repeated or not ascending.
        """
        self.load_state_dict({"indices": indices})

    def forward(self, descriptors: Tensor) -> Tensor:
        """Return Tensor[N, m] for descriptors [N, D].

        Raises:
            UsageError: the selection was neither fitted nor loaded.
        """
        if not self.fitted:
            raise UsageError("the variance selection is not fitted: fit it on the training split or load a model")
        return descriptors.index_select(1, self.indices)

    def _check_loaded(self, *_: object) -> None:
        indices = self.indices.cpu()
        if bool((indices == -1).all()):
            self.fitted = False
        elif bool((indices.diff() > 0).all()) and indices[0] >= 0 and indices[-1] < self.full_dim:
            self.fitted = True
        else:
            raise UsageError(
                f"the indices of a variance selection must ascend within 0..{self.full_dim - 1}, got {indices[0]} to "
                f"{indices[-1]}: fit the selection again on the descriptors that it is for"
            )


class VarianceAccumulator:
    """Variance of each component over a stream of descriptors, in float64 and in one pass.

    Each block is centred by its own mean before it is merged, so that a large common mean costs no digits.

    Args:
        dim: D.

    Source: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 1983.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self._mean = torch.zeros(dim, dtype=torch.float64)
        self._squares = torch.zeros(dim, dtype=torch.float64)

    @torch.no_grad()
    def update(self, block: Tensor) -> None:
        """Add descriptors [n, D], of any float dtype."""
        n, D = block.shape
        if n == 0:
            return
        total = self.count + n
        for start in range(0, D, COLUMNS):
            columns = slice(start, start + COLUMNS)
            values = block[:, columns].double().cpu()  # [n, at most COLUMNS]
            squares, mean = torch.var_mean(values, dim=0, correction=0)
            shift = mean - self._mean[columns]
            self._squares[columns] += squares * n + shift.square() * (self.count * n / total)
            self._mean[columns] += shift * (n / total)
        self.count = total

    def top(self, m: int) -> Tensor:
        """Return the ascending indices [m], int64, of the m largest variances, of equal variances the lower index.

        Raises:
            UsageError: fewer than m components, or fewer than two descriptors were added.
            NumericsError: a descriptor was not finite.
        """
        D = len(self._mean)
        if not 1 <= m <= D:
            raise UsageError(f"cannot select {m} of {D} components: select 1 to {D}")
        if self.count < 2:
            raise UsageError(f"variances need at least two training descriptors, got {self.count}")
        variance = self._squares / self.count
        if not bool(variance.isfinite().all()):
            raise NumericsError("a training descriptor holds NaN or infinity: its components cannot be ranked")
        return variance.sort(descending=True, stable=True).indices[:m].sort().values
