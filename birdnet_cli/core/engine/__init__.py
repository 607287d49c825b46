"""The use cases, which join the stages: extract, train a head, fine-tune, predict, evaluate."""

from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import ExtractReport, extract
from birdnet_cli.core.engine.finetune import FinetuneReport, finetune
from birdnet_cli.core.engine.metrics import Evaluation
from birdnet_cli.core.engine.predict import Model, Prediction, load_model, predict
from birdnet_cli.core.engine.train_head import TrainedHead, train_head

__all__ = [
    "Evaluation",
    "ExtractReport",
    "FinetuneReport",
    "Model",
    "Prediction",
    "TrainedHead",
    "evaluate",
    "extract",
    "finetune",
    "load_model",
    "predict",
    "train_head",
]
