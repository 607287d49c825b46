"""The state of a training <-> a checkpoint."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from birdnet_cli.core.training.counters import TrainingCounters
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint
from birdnet_cli.core.training.setup.optimizer import flatten_state, restore_state
from birdnet_cli.core.training.setup.trained_parts import TrainedParts

__all__ = ["pack", "unpack"]


def pack(parts: TrainedParts, counters: TrainingCounters, facts: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint of the training as it is now.

    Args:
        parts: the objects with the tensors.
        counters: counters of the training.
        facts: facts that a resuming session must agree with.
    """
    state = flatten_state(parts.optimizer, parts.parameter_names())
    tensors: dict[str, Tensor] = {}
    tensors |= {f"model.{name}": value for name, value in parts.classifier.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in state.items()}
    if parts.average is not None:
        tensors |= {f"average.{name}": value for name, value in parts.average.average.items()}
    document = {
        "state": counters.to_json(),
        "scaler": parts.scaler.state_dict(),
        "description": parts.description.to_json(),
        "facts": dict(facts),
    }
    return Checkpoint(counters.step, tensors, document)


def unpack(checkpoint: Checkpoint, parts: TrainedParts) -> TrainingCounters:
    """Load a checkpoint into objects of the same shapes.

    Args:
        checkpoint: the checkpoint.
        parts: the objects that take its tensors.

    Returns:
        The counters of the training.
    """
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for key, tensor in checkpoint.tensors.items():
        group, _, name = key.partition(".")
        groups[group][name] = tensor
    parts.classifier.load_state_dict(groups["model"])
    restore_state(parts.optimizer, parts.parameter_names(), groups["optimizer"])
    if parts.average is not None:
        parts.average.load(groups["average"])
    parts.scaler.load_state_dict(checkpoint.document["scaler"])
    return TrainingCounters.from_json(checkpoint.document["state"])
