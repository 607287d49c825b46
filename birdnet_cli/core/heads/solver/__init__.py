"""l2-regularised linear heads: solved exactly in at most N dimensions, or on rows that stream past in blocks."""

from birdnet_cli.core.heads.solver.basis import Basis, build_basis
from birdnet_cli.core.heads.solver.block_ascent import Ascent, StreamedProblem, ascend
from birdnet_cli.core.heads.solver.cross_validation import Candidate, CrossValidation, assess, cross_validate
from birdnet_cli.core.heads.solver.folds import grouped_folds, stratified_folds
from birdnet_cli.core.heads.solver.kernel_matrix import kernel_matrix
from birdnet_cli.core.heads.solver.loss import Loss
from birdnet_cli.core.heads.solver.losses import create_loss, list_heads, sample_weights
from birdnet_cli.core.heads.solver.newton import Solution, minimize
from birdnet_cli.core.heads.solver.recover_weight import recover_weight, uncentre
from birdnet_cli.core.heads.solver.row_source import Moments, RowSource, measure_moments
from birdnet_cli.core.heads.solver.streamed_blocks import RowBlocks, build_blocks, spread_order

__all__ = [
    "Ascent",
    "Basis",
    "Candidate",
    "CrossValidation",
    "Loss",
    "Moments",
    "RowBlocks",
    "RowSource",
    "Solution",
    "StreamedProblem",
    "ascend",
    "assess",
    "build_basis",
    "build_blocks",
    "create_loss",
    "cross_validate",
    "grouped_folds",
    "kernel_matrix",
    "list_heads",
    "measure_moments",
    "minimize",
    "recover_weight",
    "sample_weights",
    "spread_order",
    "stratified_folds",
    "uncentre",
]
