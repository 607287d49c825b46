"""A 1x1 reduction of a feature map, [N, C, h, w] -> [N, c, h, w], and the PCA over positions that fits it.

The fit is centred or not. Centred, the map is projected onto the directions in which training positions vary, and the
Gram matrix after it holds second moments about their mean: the part that all images share no longer dominates the l2
norm. Uncentred, the projection is the best rank-c approximation of the Gram matrix itself, and products with the
leading component, which is close to the mean, keep first-order information. Either way the map has negative values.
"""

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import NumericsError, UsageError

__all__ = ["PcaAccumulator", "Reduction"]


class Reduction(nn.Module):
    """y_p = weight x_p + bias at every position p, in float32 or wider.

    Weight and bias are parameters, so that training can continue from the fit. Until `load` or `load_state_dict` has
    set them they are NaN and the module refuses to run.

    Args:
        channels: C.
        reduced: c, channels after the reduction, at most C.

    Raises:
        UsageError: c is larger than C.
    """

    def __init__(self, channels: int, *, reduced: int) -> None:
        super().__init__()
        if reduced > channels:
            raise UsageError(f"cannot reduce {channels} channels to {reduced}: reduce to {channels} or fewer")
        self.weight = nn.Parameter(torch.full((reduced, channels), torch.nan))
        self.bias = nn.Parameter(torch.full((reduced,), torch.nan))
        self.fitted = False
        self.register_load_state_dict_post_hook(self._note_loaded)  # type: ignore[no-untyped-call]

    def load(self, weight: Tensor, bias: Tensor) -> None:
        """Take a fit: weight [c, C] and bias [c], as `PcaAccumulator.fit` returns them."""
        self.load_state_dict({"weight": weight, "bias": bias})

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, c, h, w] for x [N, C, h, w].

        Raises:
            UsageError: the reduction was neither fitted nor loaded.
        """
        if not self.fitted:
            raise UsageError("the 1x1 reduction is not fitted: fit it on training images or load a model that has it")
        N, _, h, w = x.shape
        maps = x.flatten(2).to(torch.promote_types(x.dtype, torch.float32))  # [N, C, L]
        reduced = self.weight.to(maps.dtype) @ maps + self.bias[:, None]  # [N, c, L]
        return reduced.reshape(N, len(self.bias), h, w)

    def _note_loaded(self, *_: object) -> None:
        self.fitted = not bool(self.weight.isnan().any() | self.bias.isnan().any())


class PcaAccumulator:
    """Mean and covariance of the positions of many feature maps, in float64 and in one pass.

    Each batch is centred by its own mean before it is merged, so that a large common mean costs no digits.

    Args:
        channels: C.

    Source: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 1983.
    """

    def __init__(self, channels: int) -> None:
        self.count = 0
        self._mean = torch.zeros(channels, dtype=torch.float64)
        self._scatter = torch.zeros(channels, channels, dtype=torch.float64)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Add every position of x [N, C, h, w].

        Raises:
            NumericsError: x is not finite.
        """
        positions = x.movedim(1, -1).flatten(0, -2).double()  # [P, C]
        P = len(positions)
        if P == 0:
            return
        mean = positions.mean(0)
        if not bool(mean.isfinite().all()):
            raise NumericsError("the feature map holds NaN or infinity: the 1x1 reduction cannot be fitted on it")
        centred = positions - mean
        shift = mean - self._mean.to(x.device)
        total = self.count + P
        self._scatter = (
            self._scatter.to(x.device) + centred.T @ centred + torch.outer(shift, shift) * (self.count * P / total)
        )
        self._mean = self._mean.to(x.device) + shift * (P / total)
        self.count = total

    def fit(self, reduced: int, *, center: bool = True) -> tuple[Tensor, Tensor]:
        """Return the projection onto the leading eigenvectors, in descending order.

        Each eigenvector's sign makes its largest component positive.

        Args:
            reduced: c, in 1..C.
            center: eigenvectors of the covariance, and a bias that subtracts the mean; otherwise eigenvectors of the
                second moment E[x x^T], and no bias.

        Returns:
            weight: Tensor[c, C] and bias: Tensor[c], float32, on the CPU.

        Raises:
            UsageError: fewer positions than c were added, or c is larger than C.
        """
        mean, scatter = self._mean.cpu(), self._scatter.cpu()
        if not 1 <= reduced <= min(self.count, len(mean)):
            raise UsageError(
                f"cannot fit {reduced} directions to {self.count} positions of {len(mean)} channels: "
                "reduce to fewer channels or fit on more images"
            )
        moment = scatter / self.count if center else scatter / self.count + torch.outer(mean, mean)
        weight = torch.linalg.eigh(moment).eigenvectors.T.flip(0)[:reduced]  # [c, C]
        largest = weight.gather(1, weight.abs().argmax(1, keepdim=True))  # [c, 1]
        weight = weight * largest.sign()
        bias = -(weight @ mean) if center else torch.zeros(reduced, dtype=torch.float64)
        return weight.float(), bias.float()
