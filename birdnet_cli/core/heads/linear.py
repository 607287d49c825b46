"""Linear head: descriptor [N, D] -> logits [N, K] = W descriptor + b."""

from typing import Self

import torch
from torch import Tensor, nn

from birdnet_cli.core.heads.problem import HeadFit

__all__ = ["LinearHead"]


class LinearHead(nn.Module):
    """A solved head as a module; its state dict is what a model file holds.

    Attributes:
        weight: W, float32 [K, D].
        bias: b, float32 [K].
        temperature: T, float32 scalar; 1 where the head was not calibrated.

    Args:
        dim: D.
        num_classes: K.
    """

    weight: Tensor
    bias: Tensor
    temperature: Tensor

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(num_classes, dim))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("temperature", torch.ones(()))

    @classmethod
    def from_fit(cls, fit: HeadFit) -> Self:
        """Return the head that `fit_head` solved for; it shares W and b with the fit."""
        K, D = fit.weight.shape
        # Created on meta, since a second W of 200 classes x 131,328 features would take 105 MB.
        with torch.device("meta"):
            head = cls(D, K)
        state = {"weight": fit.weight, "bias": fit.bias, "temperature": torch.tensor(fit.temperature)}
        head.load_state_dict(state, assign=True)
        return head

    def forward(self, descriptor: Tensor) -> Tensor:
        """Return the logits. [N, D] -> [N, K]."""
        return nn.functional.linear(descriptor, self.weight, self.bias)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return softmax(logits / T). [N, K] -> [N, K], rows sum to 1."""
        return torch.softmax(logits / self.temperature, dim=1)
