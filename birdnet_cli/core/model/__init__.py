"""The portable model: one file with backbone, pooling, head, classes and preprocessing."""

from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.model.evidence import Evidence, explain_logits, logit_biases
from birdnet_cli.core.model.file import hash_model_file, read_description, read_model_file, write_model_file
from birdnet_cli.core.model.model import Guess, Model, Prediction, load_model

__all__ = [
    "Evidence",
    "Guess",
    "Model",
    "ModelDescription",
    "Prediction",
    "explain_logits",
    "hash_model_file",
    "load_model",
    "logit_biases",
    "read_description",
    "read_model_file",
    "write_model_file",
]
