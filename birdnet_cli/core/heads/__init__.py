"""Heads: descriptors [N, D] or feature maps [N, C, h, w] -> logits [N, K]."""

from birdnet_cli.core.heads.calibrated_map_head import CalibratedMapHead
from birdnet_cli.core.heads.calibration import fit_temperature
from birdnet_cli.core.heads.drop_factor import DropFactor, reseed_drop_factors
from birdnet_cli.core.heads.factorized_bilinear import FactorizedBilinear, FactorizedBilinearHead
from birdnet_cli.core.heads.fit import choose_solver, fit_head
from birdnet_cli.core.heads.initialize import initialize_weights
from birdnet_cli.core.heads.linear import LinearHead
from birdnet_cli.core.heads.map_heads import create_map_head, list_map_heads
from birdnet_cli.core.heads.out_of_fold import OutOfFold, predict_out_of_fold
from birdnet_cli.core.heads.problem import HeadFit
from birdnet_cli.core.heads.solver import Candidate, RowSource, list_heads
from birdnet_cli.core.heads.trainable import TrainableHead
from birdnet_cli.core.heads.weight_storage import HalfWeight, halve_weight, stored_weight

__all__ = [
    "CalibratedMapHead",
    "Candidate",
    "DropFactor",
    "FactorizedBilinear",
    "FactorizedBilinearHead",
    "HalfWeight",
    "HeadFit",
    "LinearHead",
    "OutOfFold",
    "RowSource",
    "TrainableHead",
    "choose_solver",
    "create_map_head",
    "fit_head",
    "fit_temperature",
    "halve_weight",
    "initialize_weights",
    "list_heads",
    "list_map_heads",
    "predict_out_of_fold",
    "reseed_drop_factors",
    "stored_weight",
]
