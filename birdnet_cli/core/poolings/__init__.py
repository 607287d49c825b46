"""Poolings: a feature map [N, C, h, w] -> a descriptor of each image [N, dim]."""

from birdnet_cli.core.poolings.evidence import divide_evidence
from birdnet_cli.core.poolings.names import list_poolings, parse_pooling, pooling_name
from birdnet_cli.core.poolings.pooling import Pooling, create_pooling
from birdnet_cli.core.poolings.reduction import PcaAccumulator, Reduction
from birdnet_cli.core.poolings.selection import Selection, VarianceAccumulator

__all__ = [
    "PcaAccumulator",
    "Pooling",
    "Reduction",
    "Selection",
    "VarianceAccumulator",
    "create_pooling",
    "divide_evidence",
    "list_poolings",
    "parse_pooling",
    "pooling_name",
]
