"""Feature map [N, C, h, w] -> descriptor [N, dim]: an optional 1x1 reduction, a pooling, an optional selection."""

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.poolings.bilinear import BilinearPooling
from birdnet_cli.core.poolings.compact import RandomMaclaurin, TensorSketch
from birdnet_cli.core.poolings.first_order import AvgPooling, MaxPooling
from birdnet_cli.core.poolings.names import pooling_name
from birdnet_cli.core.poolings.reduction import Reduction
from birdnet_cli.core.poolings.selection import Selection
from birdnet_cli.core.recipe import PoolingSettings

__all__ = ["Pooling", "create_pooling"]

Pool = MaxPooling | AvgPooling | BilinearPooling | TensorSketch | RandomMaclaurin


class Pooling(nn.Module):
    """A descriptor of a feature map, as a module.

    The state dict holds everything that is fitted or drawn (1x1 weights, hashes, selected indices), in shapes that
    follow from settings and channels, so that it loads into a newly created pooling. A part that needs a fit raises
    UsageError until it has it.

    Args:
        settings: settings of the descriptor.
        channels: C of the feature map.
        reduction: the 1x1 reduction before the pooling, or None.
        pool: [N, C or c, h, w] -> [N, full_dim], with an attribute `dim`.
        selection: the selection after the pooling, or None.

    Attributes:
        settings: as given.
        channels: as given.
        full_dim: columns before the selection.
        dim: columns of the descriptor.
    """

    def __init__(
        self,
        settings: PoolingSettings,
        *,
        channels: int,
        reduction: Reduction | None,
        pool: Pool,
        selection: Selection | None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.channels = channels
        self.reduction = reduction
        self.pool = pool
        self.selection = selection
        self.full_dim = pool.dim
        self.dim = selection.dim if selection is not None else pool.dim

    def describe(self, x: Tensor) -> Tensor:
        """Return the full descriptor, before the selection: Tensor[N, full_dim], float32.

        Autocast changes nothing: everything after the backbone is computed in float32 or wider.

        Args:
            x: Tensor[N, C, h, w], any floating dtype.

        Raises:
            UsageError: x is not such a feature map, or the reduction is not fitted.
            NumericsError: a negative value in a map that was declared non-negative.
        """
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise UsageError(f"expected a feature map [N, {self.channels}, h, w], got {list(x.shape)}")
        with torch.autocast(x.device.type, enabled=False):
            if self.reduction is not None:
                x = self.reduction(x)
            descriptor: Tensor = self.pool(x)
        return descriptor.float()

    def forward(self, x: Tensor) -> Tensor:
        """Return the descriptor: Tensor[N, dim], float32; see `describe`.

        Raises:
            UsageError: as `describe`, or the selection is not fitted.
            NumericsError: as `describe`.
        """
        descriptor = self.describe(x)
        return descriptor if self.selection is None else self.selection(descriptor)


def create_pooling(settings: PoolingSettings, *, channels: int, nonnegative: bool) -> Pooling:
    """Create the pooling of `settings`; its reduction and selection are not fitted yet.

    Args:
        settings: settings of the descriptor.
        channels: C of the feature map.
        nonnegative: the feature map is the output of a ReLU; ignored after a 1x1 reduction.

    Raises:
        UsageError: settings that contradict each other, or more channels or components than there are.
    """
    pooling_name(settings)
    reduction = None if settings.reduce is None else Reduction(channels, reduced=settings.reduce)
    pool = _create_pool(settings, channels=settings.reduce or channels, nonnegative=nonnegative and reduction is None)
    selection = None if settings.select is None else Selection(pool.dim, dim=settings.select)
    return Pooling(settings, channels=channels, reduction=reduction, pool=pool, selection=selection)


def _create_pool(settings: PoolingSettings, *, channels: int, nonnegative: bool) -> Pool:
    match settings.name:
        case "max":
            return MaxPooling(channels)
        case "avg":
            return AvgPooling(channels, normalize=settings.normalize)
        case "bilinear":
            return BilinearPooling(channels, nonnegative=nonnegative, packed=settings.packed)
        case "compact":
            sketch = TensorSketch if settings.sketch == "tensor_sketch" else RandomMaclaurin
            return sketch(channels, dim=settings.sketch_dim, seed=settings.seed)
