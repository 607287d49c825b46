"""Heads: descriptors [N, D] -> logits [N, K]."""

from birdnet_cli.core.heads.fit import choose_solver, fit_head
from birdnet_cli.core.heads.half_weight import HalfWeight, halve_weight
from birdnet_cli.core.heads.linear import LinearHead
from birdnet_cli.core.heads.solver import Candidate, RowSource, list_heads
from birdnet_cli.core.heads.task import HeadFit

__all__ = [
    "Candidate",
    "HalfWeight",
    "HeadFit",
    "LinearHead",
    "RowSource",
    "choose_solver",
    "fit_head",
    "halve_weight",
    "list_heads",
]
