"""A moving average of a model's parameters: average <- d average + (1 - d) parameters, after every update."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """The average and the means to evaluate it.

    In its first updates the average forgets faster, d_t = min(d, (1 + t) / (10 + t)), or it would long hold the random
    start. Buffers (BatchNorm's statistics) are averages already and are taken as they are.

    Args:
        module: whose parameters are followed.
        decay: d.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(module.named_parameters())
        self.average = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after update number `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        targets = [parameter.detach() for parameter in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), targets, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module compute with the average inside the block."""
        with torch.no_grad():
            kept = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
            self._copy(self.average)
            try:
                yield
            finally:
                self._copy(kept)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the average that another instance had."""
        for name, tensor in self.average.items():
            tensor.copy_(tensors[name])

    def _copy(self, source: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(source[name])
