"""The use cases, which join the stages: extract, train a head, predict, evaluate."""

from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.evaluation import Evaluation
from birdnet_cli.core.engine.extract import ExtractReport, extract
from birdnet_cli.core.engine.predict import Model, Prediction, load_model, predict
from birdnet_cli.core.engine.train_head import TrainedHead, train_head

__all__ = [
    "Evaluation",
    "ExtractReport",
    "Model",
    "Prediction",
    "TrainedHead",
    "evaluate",
    "extract",
    "load_model",
    "predict",
    "train_head",
]
