"""The use cases: a module for each command, which joins the stages below."""

from birdnet_cli.core.engine.compare import compare
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import TrainedHead, train_head

__all__ = ["TrainedHead", "compare", "evaluate", "extract", "finetune", "predict", "train_head"]
