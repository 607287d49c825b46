"""What a model said of every image of a split -> its figures with their intervals, gates, and comparisons."""

from birdnet_cli.core.engine.evaluation.calibration import ReliabilityBin
from birdnet_cli.core.engine.evaluation.class_figures import ClassFigures, Confusion
from birdnet_cli.core.engine.evaluation.comparison import Change, ClassChange, Comparison, compare_evaluations
from birdnet_cli.core.engine.evaluation.coverage import CoveragePoint, widest_coverage
from birdnet_cli.core.engine.evaluation.document import describe_evaluation, read_evaluation, serialise_evaluation
from birdnet_cli.core.engine.evaluation.duplicates import Copy, Duplicate, find_duplicates
from birdnet_cli.core.engine.evaluation.estimate import Estimate
from birdnet_cli.core.engine.evaluation.evaluation import Evaluation
from birdnet_cli.core.engine.evaluation.gates import Gate, Verdict, check_gates, parse_gates, resolve_gates
from birdnet_cli.core.engine.evaluation.intervals import Interval, wilson_interval
from birdnet_cli.core.engine.evaluation.records import Recorder, Records

__all__ = [
    "Change",
    "ClassChange",
    "ClassFigures",
    "Comparison",
    "Confusion",
    "Copy",
    "CoveragePoint",
    "Duplicate",
    "Estimate",
    "Evaluation",
    "Gate",
    "Interval",
    "Recorder",
    "Records",
    "ReliabilityBin",
    "Verdict",
    "check_gates",
    "compare_evaluations",
    "describe_evaluation",
    "find_duplicates",
    "parse_gates",
    "read_evaluation",
    "resolve_gates",
    "serialise_evaluation",
    "widest_coverage",
    "wilson_interval",
]
