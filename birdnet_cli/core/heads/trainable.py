"""Trainable linear head: descriptor [N, D] -> scores [N, K], whose softmax are the probabilities."""

import torch
from torch import Tensor, nn

from birdnet_cli.core.heads.linear import LinearHead

__all__ = ["TrainableHead"]


class TrainableHead(nn.Module):
    """A linear head in units of log-probability: scores = (W descriptor + b) / T.

    A solved head has logits of any scale and a temperature T that calibrates them; training by cross-entropy on the
    logits would begin by undoing that scale. The parameters are W / T and b / T, so that a learning rate has the same
    effect whatever loss the head was solved with.

    Args:
        dim: D.
        num_classes: K.

    Attributes:
        weight: W / T, float32 [K, D]; zeros until a solved head is loaded.
        bias: b / T, float32 [K].
        temperature: T, a scalar that is not trained.
    """

    temperature: Tensor

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_classes, dim))
        self.bias = nn.Parameter(torch.zeros(num_classes))
        self.register_buffer("temperature", torch.ones(()))

    @torch.no_grad()
    def load(self, head: LinearHead) -> None:
        """Take a solved head of the same shape."""
        self.temperature.copy_(head.temperature)
        self.weight.copy_(head.weight / self.temperature)
        self.bias.copy_(head.bias / self.temperature)

    @torch.no_grad()
    def soften(self, factor: float) -> None:
        """Divide the scores by a factor: T is multiplied by it, the logits stay."""
        self.temperature.mul_(factor)
        self.weight.div_(factor)
        self.bias.div_(factor)

    @torch.no_grad()
    def solved(self, *, rescale: float = 1.0) -> dict[str, Tensor]:
        """Return the state dict of the `LinearHead` with the same logits.

        Args:
            rescale: a temperature fitted to the scores after training; T is multiplied by it, the logits stay.
        """
        T = self.temperature
        return {"weight": self.weight * T, "bias": self.bias * T, "temperature": T * rescale}

    def forward(self, descriptor: Tensor) -> Tensor:
        """Return the scores, float32. [N, D] -> [N, K]."""
        return nn.functional.linear(descriptor, self.weight, self.bias)

    def scores(self, descriptor: Tensor) -> Tensor:
        """Return the scores, as `forward` does; `CalibratedMapHead.scores` divides its logits by T."""
        scores: Tensor = self(descriptor)
        return scores
