"""Settings of a training that takes under a second, and a small classifier with BatchNorm and dropout."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file

from birdnet_cli.core.backbones import IMAGENET, Backbone
from birdnet_cli.core.heads import TrainableHead
from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.poolings import create_pooling
from birdnet_cli.core.recipe import FinetuneSettings, PoolingSettings, TransformSettings
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingProgress, TrainingStatus
from birdnet_cli.core.training.setup.classifier import Classifier
from birdnet_cli.core.training.setup.trained_parts import TrainedParts, create_trained_parts
from birdnet_cli.core.training.signals import InterruptHandler

SMALL_NETWORK: dict[str, object] = {"network": "resnet164", "blocks": 1, "width": 4, "lr": 0.02, "layer": None}


def quick_settings(**changes: object) -> FinetuneSettings:
    """Return settings for textures: random VGG16 weights up to relu1_2, 32 px, one row of metrics per update."""
    defaults: dict[str, object] = {
        "weights": "none", "layer": "relu1_2", "image_size": 32, "batch_size": 8, "workers": 0, "device": "cpu",
        "precision": "float32", "log_steps": 1, "val_fraction": 0.25, "epochs": 2, "head": "avg",
    }  # fmt: skip
    return FinetuneSettings.model_validate(defaults | changes)


def small_classifier(
    *, classes: int = 3, norm: bool = True, dropout: float = 0.0, dtype: torch.dtype = torch.float32
) -> Classifier:
    """Return a classifier of 8 channels whose values are drawn from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(8) if norm else torch.nn.Identity(),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
    )
    backbone = Backbone(network, name="small", layer="relu", channels=8, nonnegative=True, preprocessing=IMAGENET)
    pooling = create_pooling(PoolingSettings(name="avg", normalize=False), channels=8, nonnegative=True)
    classifier = Classifier(backbone, pooling, TrainableHead(8, classes), dtype=dtype)
    with torch.no_grad():
        for parameter in classifier.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    return classifier


def small_parts(classifier: Classifier, settings: FinetuneSettings) -> TrainedParts:
    """Return a classifier of three classes with the objects that train it on the CPU."""
    transform = TransformSettings(image_size=settings.image_size)
    backbone = {
        "backbone": "small", "layer": "relu", "weights_sha256": "", "preprocessing": IMAGENET.to_json(),
        "embedded": True,
    }  # fmt: skip
    pooling = PoolingSettings(name="avg", normalize=False)
    description = ModelDescription(("a", "b", "c"), backbone, transform, False, pooling, {"head": "softmax"})
    return create_trained_parts(classifier, description, settings=settings, device=torch.device("cpu"))


def cpu_context(settings: FinetuneSettings, progress: TrainingProgress | None = None) -> TrainingContext:
    """Return the context of a training in one process on the CPU, which no signal interrupts by itself."""
    processes = Processes(torch.device("cpu"))
    return TrainingContext(settings, processes, progress or SilentTrainingProgress(), InterruptHandler())


def read_rows(run: Path, *columns: str) -> list[tuple[str, ...]]:
    """Return some columns of a run's metrics."""
    header, *lines = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    places = [header.index(name) for name in columns]
    return [tuple(line[place] for place in places) for line in lines]


def same_tensors(first: Path, second: Path) -> bool:
    """Return whether two safetensors files hold the same bits under the same names."""
    expected, found = load_file(first), load_file(second)
    return expected.keys() == found.keys() and all(torch.equal(expected[key], found[key]) for key in expected)


class StopAtOnce(SilentTrainingProgress):
    """InterruptHandler before the first update, so that what is saved is the start."""

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[TrainingStatus], None]]:
        signal.raise_signal(signal.SIGTERM)
        yield lambda _status: None
