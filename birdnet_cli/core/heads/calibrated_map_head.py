"""A head on the feature map with what belongs to it in a classifier: normalisation before, a temperature after."""

import torch
from torch import Tensor, nn

__all__ = ["CalibratedMapHead"]


class CalibratedMapHead(nn.Module):
    """A head of `create_map_head` with its normalisation and temperature; [N, C, h, w] -> logits [N, K].

    Values of a pretrained feature map may be large, and tanh of a large value is only its sign: batch normalization
    before the head prevents that. The published networks end in a batch normalization of their own.

    Args:
        map_head: a head made by `create_map_head`.
        channels: C.
        norm: normalise the map first.

    Attributes:
        temperature: T of the probabilities softmax(logits / T), a scalar that is not trained.
    """

    temperature: Tensor

    def __init__(self, map_head: nn.Module, *, channels: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.map_head = map_head
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, float32. [N, C, h, w] -> [N, K].

        Under autocast, products use autocast's dtype; otherwise everything is float32, whatever the map's dtype.
        """
        if not torch.is_autocast_enabled(x.device.type):
            x = x.float()
        logits: Tensor = self.map_head(self.norm(x))
        return logits.float()

    def scores(self, x: Tensor) -> Tensor:
        """Return logits / T, in units of log-probability."""
        logits: Tensor = self(x)
        return logits / self.temperature

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return softmax(logits / T). [N, K] -> [N, K], rows sum to 1."""
        return torch.softmax(logits / self.temperature, dim=1)

    @torch.no_grad()
    def soften(self, factor: float) -> None:
        """Divide the scores by a factor: T is multiplied by it, the logits stay."""
        self.temperature.mul_(factor)

    @torch.no_grad()
    def solved(self, *, rescale: float = 1.0) -> dict[str, Tensor]:
        """Return the state dict, with T multiplied by `rescale`, a temperature fitted to the scores after training."""
        return self.state_dict() | {"temperature": self.temperature * rescale}
