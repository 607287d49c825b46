"""The use cases, which join the stages: extract, train a head, fine-tune, predict, evaluate, compare, report."""

from birdnet_cli.core.engine.compare import compare
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import FinetuneReport, finetune
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.report import write_report
from birdnet_cli.core.engine.train_head import TrainedHead, train_head
from birdnet_cli.core.evaluation import Comparison, Evaluation
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model.model import Model, Prediction, load_model

__all__ = [
    "Comparison",
    "Evaluation",
    "ExtractReport",
    "FinetuneReport",
    "Model",
    "Prediction",
    "TrainedHead",
    "compare",
    "evaluate",
    "extract",
    "finetune",
    "load_model",
    "predict",
    "train_head",
    "write_report",
]
