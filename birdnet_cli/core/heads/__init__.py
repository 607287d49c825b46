"""Heads: descriptors [N, D] -> logits [N, K]."""

from birdnet_cli.core.heads.fit import HeadFit, fit_head
from birdnet_cli.core.heads.linear import LinearHead
from birdnet_cli.core.heads.solver import Candidate, RowSource, list_heads

__all__ = ["Candidate", "HeadFit", "LinearHead", "RowSource", "fit_head", "list_heads"]
