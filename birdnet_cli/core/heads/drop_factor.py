"""DropFactor: which factors of a Factorized Bilinear layer a training pass keeps, [K] or [N, K] -> 0 or 1 / keep."""

import hashlib
from typing import Literal

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import UsageError

__all__ = ["DropFactor", "MaskKind", "reseed_drop_factors"]

MaskKind = Literal["batch", "sample"]

# Draws are integers below 2^32 in int64 tensors.
BITS = 32
LOW = 2**BITS - 1
WORD = 2**31
# Multiplier of the stream number: odd, so that no two streams get the same word; large, so that streams differ in
# more bits than indices do.
STREAM = 0x9E3779B1


class DropFactor(nn.Module):
    """Drops each factor with probability `drop_prob` in training and scales the others by 1 / keep.

    The mask is a function of a key, a stream and the number of masks drawn since `reseed`, computed with integer
    arithmetic: it is the same on every device, under torch.compile and in every process, whatever else draws random
    numbers. The key and the count are part of the state dict, so that a training resumed from it draws what a
    training without a break would have drawn. Activation checkpointing computes a pass twice and would draw
    twice: leave this layer out of the recomputed part.

    Args:
        factors: K.
        drop_prob: probability of dropping a factor, in [0, 1).
        mask: `batch` draws one mask for all samples, positions and classes of a pass, as the authors do (a mask of its
            own on each device); `sample` draws one for each sample.
        seed: the first key.

    Raises:
        UsageError: `drop_prob` is outside [0, 1), or `mask` is neither `batch` nor `sample`.
    """

    position: Tensor

    def __init__(self, factors: int, *, drop_prob: float, mask: MaskKind = "batch", seed: int = 0) -> None:
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise UsageError(f"drop_prob: expected a probability of at least 0 and below 1, got {drop_prob}")
        if mask not in ("batch", "sample"):
            raise UsageError(f"mask: expected 'batch' or 'sample', got '{mask}'")
        self.factors = factors
        self.drop_prob = drop_prob
        self.mask = mask
        self.seed = seed
        self.stream = 0
        # Two words of the key, and the number of masks drawn with it.
        self.register_buffer("position", torch.zeros(3, dtype=torch.int64))
        self.reset()

    @property
    def keep(self) -> float:
        """The probability that a factor is kept."""
        return 1 - self.drop_prob

    def reset(self) -> None:
        """Return to the first key."""
        self.reseed(self.seed)

    def reseed(self, *key: int, stream: int = 0) -> None:
        """Make the following masks a function of these numbers alone.

        A training that calls this before each pass with (seed, step, pass) can be resumed exactly.

        Args:
            key: any integers.
            stream: 0 in all processes for the same masks in all of them, the rank for different masks. It is an int and
                no buffer, so that DistributedDataParallel's broadcast of buffers does not overwrite it.
        """
        digest = hashlib.sha256(repr(key).encode()).digest()
        words = (int.from_bytes(digest[start : start + 4], "little") % WORD for start in (0, 4))
        self.stream = stream
        if not self.position.is_meta:
            self.position.copy_(torch.tensor([*words, 0]))

    def forward(self, batch: int) -> Tensor | None:
        """Draw the next mask.

        Args:
            batch: N, samples of the pass.

        Returns:
            float32 Tensor[K] or Tensor[N, K] of 0 and 1 / keep; None in evaluation and for drop_prob = 0.
        """
        if not self.training or self.drop_prob == 0:
            return None
        rows = 1 if self.mask == "batch" else batch
        draws = torch.arange(rows * self.factors, device=self.position.device)
        if self.mask == "sample":
            draws = draws.view(batch, self.factors)
        first, second, count = self.position.unbind()
        draws = _mix(draws ^ first ^ (self.stream * STREAM & LOW))
        draws = _mix(draws ^ (second + count & LOW))
        count += 1
        kept: Tensor = draws < round(self.keep * 2**BITS)
        return kept.to(torch.float32) / self.keep

    def extra_repr(self) -> str:
        """Return the settings, for print."""
        return f"{self.factors}, drop_prob={self.drop_prob}, mask={self.mask!r}"


def reseed_drop_factors(module: nn.Module, *key: int, stream: int = 0) -> None:
    """Reseed every DropFactor inside a module; each gets masks of its own.

    Args:
        module: a network or a head.
        key, stream: see `DropFactor.reseed`.
    """
    layers = (layer for layer in module.modules() if isinstance(layer, DropFactor))
    for number, layer in enumerate(layers):
        layer.reseed(*key, number, stream=stream)


def _mix(x: Tensor) -> Tensor:
    # A 32-bit integer hash: each bit of x affects each bit of the result. The multiplier is below 2^31, so that no
    # product overflows int64.
    for _ in range(2):
        x = ((x >> 16) ^ x) * 0x45D9F3B & LOW
    return (x >> 16) ^ x
