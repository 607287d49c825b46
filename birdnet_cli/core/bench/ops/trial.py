"""A contender on a shape while it is measured: its two passes, and their samples so far."""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from birdnet_cli.core.bench.ops.contender import Contender, Shape
from birdnet_cli.core.bench.ops.measure import calls_per_sample, peak_extra_bytes, time_calls

__all__ = ["Trial"]


class Trial:
    """Warms both passes up and measures their memory; `sample` adds a time of each.

    Args:
        op: the op's name.
        name: the contender's name.
        contender: what is measured.
        shape: shape of the feature maps.
        dtype: dtype of the feature maps.
        device: device of the feature maps.
    """

    def __init__(
        self, op: str, name: str, contender: Contender, shape: Shape, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.op, self.name, self.shape = op, name, shape
        self.dtype, self.device = dtype, device
        generator = torch.Generator().manual_seed(0)
        # Like the output of a ReLU, but without zeros, where the usual formulas have no gradient.
        x = torch.rand(shape, generator=generator).add_(2**-8).to(device, dtype)
        upstream: list[Tensor] = []

        def forward() -> Tensor:
            return contender.forward(x)

        def both() -> Tensor | None:
            leaf = x.detach().requires_grad_()
            y = contender.forward(leaf)
            if not upstream:
                upstream.append(torch.randn(y.shape, generator=generator).to(y))
            y.backward(upstream[0])  # type: ignore[no-untyped-call]
            return leaf.grad

        self.passes: tuple[Callable[[], object], ...] = (forward, both)
        self.calls = [calls_per_sample(run, device) for run in self.passes]
        self.extra_bytes = [peak_extra_bytes(run, device) for run in self.passes]
        self.samples: tuple[list[float], ...] = ([], [])

    def sample(self) -> None:
        """Time one sample of each pass, in the state that its own calls leave caches and allocator in."""
        for run, calls, samples in zip(self.passes, self.calls, self.samples, strict=True):
            run()
            samples.append(time_calls(run, self.device, calls=calls))

    def seconds(self) -> list[float]:
        """Return the medians of the forward, and of both passes."""
        return [statistics.median(samples) for samples in self.samples]

    def release(self) -> None:
        """Release the tensors, so that they do not count as another trial's memory."""
        self.passes = ()
