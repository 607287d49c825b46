"""Join features and a head to a network: [N, 3, H, W] -> logits [N, K]."""

from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Network", "NetworkInfo"]

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class NetworkInfo:
    """A network's input and its published settings. Preprocessing is `(pixels * scale - mean) / std`, in RGB order.

    Attributes:
        name: a name of `list_networks`.
        image_size: side of the square images, in pixels.
        factors: k of the published Factorized Bilinear head.
        mean: mean of red, green and blue, on the scale that `scale` gives.
        std: divisor for red, green and blue.
        scale: factor on pixel values 0..255.
    """

    name: str
    image_size: int
    factors: int
    mean: Triple = (123.68, 116.779, 103.939)
    std: Triple = (1.0, 1.0, 1.0)
    scale: float = 1.0


class Network(nn.Module):
    """Features up to the map before its last activation, and a head that begins with that activation.

    Args:
        features: [N, 3, H, W] -> [N, C, h, w].
        head: a head of `core.heads.create_map_head`, [N, C, h, w] -> [N, K].
        info: the network's input and published settings.
        channels: C.
    """

    def __init__(self, features: nn.Sequential, head: nn.Sequential, *, info: NetworkInfo, channels: int) -> None:
        super().__init__()
        self.features = features
        self.head = head
        self.info = info
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of preprocessed images. [N, 3, H, W] -> [N, K]."""
        logits: Tensor = self.head(self.features(images))
        return logits
