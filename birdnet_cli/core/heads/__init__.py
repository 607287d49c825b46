"""Heads: descriptors [N, D] -> logits [N, K]."""

from birdnet_cli.core.heads.fit import HeadFit, fit_head
from birdnet_cli.core.heads.linear import LinearHead
from birdnet_cli.core.heads.solver import Candidate, RowSource, fit_temperature, list_heads
from birdnet_cli.core.heads.trainable import TrainableHead

__all__ = [
    "Candidate",
    "HeadFit",
    "LinearHead",
    "RowSource",
    "TrainableHead",
    "fit_head",
    "fit_temperature",
    "list_heads",
]
