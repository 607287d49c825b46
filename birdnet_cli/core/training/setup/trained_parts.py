"""The objects that a training changes from update to update: classifier, optimiser, loss scaler, moving average."""

from dataclasses import dataclass

import torch
from torch import nn

from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.precision import create_scaler
from birdnet_cli.core.training.setup.classifier import Classifier
from birdnet_cli.core.training.setup.ema import MovingAverage
from birdnet_cli.core.training.setup.optimizer import create_optimizer

__all__ = ["TrainedParts", "create_trained_parts"]


@dataclass(frozen=True, eq=False)
class TrainedParts:
    """A classifier and the objects that train it.

    Attributes:
        classifier: the classifier, on its device.
        description: header of the model files that the classifier is written to.
        optimizer: optimiser of the classifier's parameters.
        scaler: scaler of the loss; does nothing unless the classifier computes in float16.
        average: moving average of the parameters, or None.
    """

    classifier: Classifier
    description: ModelDescription
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: MovingAverage | None

    def parameter_names(self) -> dict[nn.Parameter, str]:
        """Return the name of each parameter of the classifier."""
        return {parameter: name for name, parameter in self.classifier.named_parameters()}


def create_trained_parts(
    classifier: Classifier, description: ModelDescription, *, settings: FinetuneSettings, device: torch.device
) -> TrainedParts:
    """Create optimiser, loss scaler and moving average for a classifier.

    Args:
        classifier: the classifier, on its device.
        description: header of its model files.
        settings: optimiser, rates and `ema_decay`.
        device: device of the classifier.
    """
    head = list(classifier.head.parameters())
    optimizer = create_optimizer(settings, backbone=classifier.backbone_parameters(), head=head)
    average = MovingAverage(classifier, settings.ema_decay) if settings.ema_decay is not None else None
    return TrainedParts(classifier, description, optimizer, create_scaler(classifier.dtype, device), average)
