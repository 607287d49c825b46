"""The state of a training goes into a checkpoint and comes back with the same bits."""

import json
from typing import Any

import pytest
import torch

from birdnet_cli.core.data import LabelledBatch
from birdnet_cli.core.training.counters import TrainingCounters
from birdnet_cli.core.training.loop.update import Updater
from birdnet_cli.core.training.run_folder.checkpoint import pack, unpack
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint
from birdnet_cli.core.training.setup.trained_parts import TrainedParts
from tests.core.training.quick import cpu_context, quick_settings, small_classifier, small_parts

MOMENTUM: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "ema_decay": 0.9}


def train(parts: TrainedParts, *, start: int, updates: int, **changes: Any) -> None:
    settings = quick_settings(**MOMENTUM | changes)
    updater = Updater(parts, cpu_context(settings), accumulate=1)
    updater.prepare(frozen=False)
    images = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batch = LabelledBatch(images, torch.arange(6) % 3, list(range(6)), [])
    for step in range(start, start + updates):
        updater.update(batch, epoch=0, step=step, images=6, rate_factor=1.0)


def parts(*, dtype: torch.dtype = torch.float32, **changes: Any) -> TrainedParts:
    return small_parts(small_classifier(dtype=dtype), quick_settings(**MOMENTUM | changes))


def saved(trained: TrainedParts, counters: TrainingCounters) -> Checkpoint:
    """Return a checkpoint as it comes from its files."""
    made = pack(trained, counters, {"data": "d", "world_size": 1})
    tensors = {name: tensor.clone() for name, tensor in made.tensors.items()}
    return Checkpoint(made.step, tensors, json.loads(json.dumps(made.document)))


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adamw"}, {"ema_decay": None}], ids=["sgd", "adamw", "no ema"])
def test_a_restored_training_goes_on_with_the_same_bits(changes: dict[str, Any]) -> None:
    whole = parts(**changes)
    train(whole, start=0, updates=3, **changes)
    checkpoint = saved(whole, TrainingCounters(step=3))
    restored = parts(**changes)
    counters = unpack(checkpoint, restored)
    assert counters.step == 3
    train(whole, start=3, updates=2, **changes)
    train(restored, start=3, updates=2, **changes)
    first, second = (pack(made, counters, {}).tensors for made in (whole, restored))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_scale_of_float16_s_loss_is_restored() -> None:
    trained, restored = parts(dtype=torch.float16), parts(dtype=torch.float16)
    trained.scaler.load_state_dict(trained.scaler.state_dict() | {"scale": 8.0})
    unpack(saved(trained, TrainingCounters()), restored)
    assert restored.scaler.get_scale() == 8.0


def test_a_checkpoint_names_its_parts_as_the_file_format_does() -> None:
    trained = parts()
    train(trained, start=0, updates=1)
    checkpoint = saved(trained, TrainingCounters(step=1))
    assert checkpoint.step == 1
    assert list(checkpoint.document) == ["state", "scaler", "description", "facts"]
    assert {"model.head.weight", "optimizer.head.weight.momentum_buffer", "average.head.weight"} <= {
        *checkpoint.tensors
    }
