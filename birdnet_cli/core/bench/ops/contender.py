"""What is compared: ways to compute one op, on feature maps of given shapes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError

__all__ = ["Contender", "OpBench", "Shape", "parse_shapes"]


class Shape(NamedTuple):
    """A batch of feature maps: N images of C channels at L positions."""

    N: int
    C: int
    L: int

    def __str__(self) -> str:
        return f"{self.N}x{self.C}x{self.L}"


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to compute an op.

    Attributes:
        forward: Tensor[N, C, L] -> the op's result; differentiable.
        intermediate_bytes: shape -> size of the largest thing that it materialises, where that limits it.
    """

    forward: Callable[[Tensor], Tensor]
    intermediate_bytes: Callable[[Shape], int] = field(default=lambda _: 0)


@dataclass(frozen=True, slots=True)
class OpBench:
    """An op and its contenders.

    Attributes:
        contenders: name -> contender for maps of C channels on a device; `eager` in float32 is what the others are
            measured by.
        flops: shape -> floating-point operations of the forward and of the backward, by the leanest known way.
        shapes: what is measured unless others are asked for.
    """

    contenders: Callable[[int, torch.device], Mapping[str, Contender]]
    flops: Callable[[Shape], tuple[int, int]]
    shapes: tuple[Shape, ...]


def parse_shapes(text: str) -> tuple[Shape, ...]:
    """Read shapes such as `8x512x196,32x512x784`.

    Raises:
        UsageError: something else, or a size of 0.
    """
    shapes = []
    for word in text.split(","):
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)x([1-9]\d*)", word.strip())
        if match is None:
            raise UsageError(f"shape '{word}': expected images x channels x positions, such as 8x512x196")
        shapes.append(Shape(*map(int, match.groups())))
    return tuple(shapes)
