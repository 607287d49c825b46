"""A moving average of a model's parameters: average <- d average + (1 - d) parameters, after every update."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """A moving average of a module's parameters.

    In update t the decay is d_t = min(d, (1 + t) / (10 + t)), smaller than d in the first updates, so that the average
    soon forgets the initial parameters. Buffers (BatchNorm's statistics) are averages already and are not averaged.

    Args:
        module: the module.
        decay: d, in 0..1.

    Attributes:
        average: average of each parameter, by name.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(module.named_parameters())
        self.average = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Average in the parameters after an update.

        Args:
            step: number of the update, from 0.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        targets = [parameter.detach() for parameter in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), targets, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the module's parameters by their average inside the block."""
        with torch.no_grad():
            parameters = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
            self._copy(self.average)
            try:
                yield
            finally:
                self._copy(parameters)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the average to the tensors of these names."""
        for name, tensor in self.average.items():
            tensor.copy_(tensors[name])

    def _copy(self, source: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(source[name])
