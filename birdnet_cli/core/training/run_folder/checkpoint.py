"""Everything that changes during a training <-> a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from birdnet_cli.core.training.counters import TrainingState
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint
from birdnet_cli.core.training.setup.build import Assembled
from birdnet_cli.core.training.setup.ema import MovingAverage
from birdnet_cli.core.training.setup.optimizer import flatten_state, restore_state

__all__ = ["TrainedParts", "pack", "unpack"]


@dataclass(frozen=True, eq=False)
class TrainedParts:
    """Everything that changes from update to update.

    Attributes:
        assembled: the classifier.
        optimizer: of its parameters.
        scaler: of float16's loss.
        average: of the parameters, or None.
    """

    assembled: Assembled
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: MovingAverage | None

    def names(self) -> dict[nn.Parameter, str]:
        """Return each parameter's name."""
        return {parameter: name for name, parameter in self.assembled.classifier.named_parameters()}


def pack(parts: TrainedParts, state: TrainingState, facts: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint of this moment.

    Args:
        parts: the tensors.
        state: the counters.
        facts: what a resuming session must agree with.
    """
    tensors: dict[str, Tensor] = {}
    tensors |= {f"model.{name}": value for name, value in parts.assembled.classifier.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in flatten_state(parts.optimizer, parts.names()).items()}
    if parts.average is not None:
        tensors |= {f"average.{name}": value for name, value in parts.average.average.items()}
    document = {
        "state": state.to_json(),
        "scaler": parts.scaler.state_dict(),
        "description": parts.assembled.description.to_json(),
        "facts": dict(facts),
    }
    return Checkpoint(state.step, tensors, document)


def unpack(checkpoint: Checkpoint, parts: TrainedParts) -> TrainingState:
    """Put a checkpoint's values into a classifier of the same shapes and its companions.

    Returns:
        The counters.
    """
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for key, tensor in checkpoint.tensors.items():
        group, _, name = key.partition(".")
        groups[group][name] = tensor
    parts.assembled.classifier.load_state_dict(groups["model"])
    restore_state(parts.optimizer, parts.names(), groups["optimizer"])
    if parts.average is not None:
        parts.average.load(groups["average"])
    parts.scaler.load_state_dict(checkpoint.document["scaler"])
    return TrainingState.from_json(checkpoint.document["state"])
