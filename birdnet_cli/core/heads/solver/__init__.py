"""Exact solutions of l2-regularised linear heads in at most N dimensions."""

from birdnet_cli.core.heads.solver.basis import Basis, build_basis, recover_weight
from birdnet_cli.core.heads.solver.cross_validation import Candidate, CrossValidation, cross_validate, stratified_folds
from birdnet_cli.core.heads.solver.kernel import kernel_matrix
from birdnet_cli.core.heads.solver.loss import Loss
from birdnet_cli.core.heads.solver.losses import create_loss, list_heads, sample_weights
from birdnet_cli.core.heads.solver.newton import Solution, minimize
from birdnet_cli.core.heads.solver.rows import Moments, RowSource, measure_moments
from birdnet_cli.core.heads.solver.temperature import fit_temperature

__all__ = [
    "Basis",
    "Candidate",
    "CrossValidation",
    "Loss",
    "Moments",
    "RowSource",
    "Solution",
    "build_basis",
    "create_loss",
    "cross_validate",
    "fit_temperature",
    "kernel_matrix",
    "list_heads",
    "measure_moments",
    "minimize",
    "recover_weight",
    "sample_weights",
    "stratified_folds",
]
