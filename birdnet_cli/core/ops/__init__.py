"""Custom operators `fbn::*` on feature maps, each with its reference, shape function and gradient."""

from birdnet_cli.core.ops.bilinear_pool import ROOT_FLOOR, bilinear_pool
from birdnet_cli.core.ops.compact_bilinear_pool import compact_bilinear_pool
from birdnet_cli.core.ops.fb_quadratic import fb_quadratic
from birdnet_cli.core.ops.status import describe_ops

__all__ = ["ROOT_FLOOR", "bilinear_pool", "compact_bilinear_pool", "describe_ops", "fb_quadratic"]
