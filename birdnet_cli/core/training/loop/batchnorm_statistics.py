"""BatchNorm's running statistics, kept aside so that a batch whose values are not finite leaves no trace in them."""

import torch
from torch import Tensor, nn

__all__ = ["NormStatistics"]


class NormStatistics:
    """A copy of every running mean, variance and count of a module.

    Args:
        module: with any number of BatchNorm layers, or none.
    """

    def __init__(self, module: nn.Module) -> None:
        self.buffers = [
            buffer
            for layer in module.modules()
            if isinstance(layer, nn.modules.batchnorm._NormBase)
            for buffer in layer.buffers(recurse=False)
        ]
        self._kept: list[Tensor] = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Copy the statistics."""
        for kept, buffer in zip(self._kept, self.buffers, strict=True):
            kept.copy_(buffer)

    @torch.no_grad()
    def restore(self) -> None:
        """Go back to the last copy."""
        for kept, buffer in zip(self._kept, self.buffers, strict=True):
            buffer.copy_(kept)
