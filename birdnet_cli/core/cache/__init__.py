"""[N, D] <-> HDF5: crash-safe parts while extracting, then one self-contained file that streams back."""

from birdnet_cli.core.cache.consolidate import consolidate
from birdnet_cli.core.cache.disk import SpaceEstimate, estimate_space
from birdnet_cli.core.cache.fitted_tensors import FittedTensors
from birdnet_cli.core.cache.layout import SHARD_ROWS, STATUS_FAILED, STATUS_OK
from birdnet_cli.core.cache.parts import Parts
from birdnet_cli.core.cache.plan import CachePlan
from birdnet_cli.core.cache.reader import FeatureCache
from birdnet_cli.core.cache.verify import DamagedRow, replace_rows, verify_cache

__all__ = [
    "SHARD_ROWS",
    "STATUS_FAILED",
    "STATUS_OK",
    "CachePlan",
    "DamagedRow",
    "FeatureCache",
    "FittedTensors",
    "Parts",
    "SpaceEstimate",
    "consolidate",
    "estimate_space",
    "replace_rows",
    "verify_cache",
]
