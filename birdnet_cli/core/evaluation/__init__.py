"""A model's predictions for a labelled split -> metrics with confidence intervals, gates, and comparisons."""

from birdnet_cli.core.evaluation.calibration_error import ReliabilityBin
from birdnet_cli.core.evaluation.comparison import Change, ClassChange, Comparison, compare_evaluations
from birdnet_cli.core.evaluation.coverage import CoveragePoint, widest_coverage
from birdnet_cli.core.evaluation.evaluation import Evaluation
from birdnet_cli.core.evaluation.gates import Gate, Verdict, check_gates, parse_gates, resolve_gates
from birdnet_cli.core.evaluation.intervals import Estimate, Interval, wilson_interval
from birdnet_cli.core.evaluation.json_file import describe_evaluation, read_evaluation, serialise_evaluation
from birdnet_cli.core.evaluation.outcomes import OutcomeCollector, Outcomes
from birdnet_cli.core.evaluation.per_class import ClassEvaluation, Confusion
from birdnet_cli.core.evaluation.split_overlap import Copy, Duplicate, find_split_overlap

__all__ = [
    "Change",
    "ClassChange",
    "ClassEvaluation",
    "Comparison",
    "Confusion",
    "Copy",
    "CoveragePoint",
    "Duplicate",
    "Estimate",
    "Evaluation",
    "Gate",
    "Interval",
    "OutcomeCollector",
    "Outcomes",
    "ReliabilityBin",
    "Verdict",
    "check_gates",
    "compare_evaluations",
    "describe_evaluation",
    "find_split_overlap",
    "parse_gates",
    "read_evaluation",
    "resolve_gates",
    "serialise_evaluation",
    "widest_coverage",
    "wilson_interval",
]
