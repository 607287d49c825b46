"""The context that all parts of a training share in one process: settings, processes, progress and signals."""

from dataclasses import dataclass

from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.progress import TrainingProgress
from birdnet_cli.core.training.signals import InterruptHandler

__all__ = ["TrainingContext"]


@dataclass(frozen=True, eq=False)
class TrainingContext:
    """What every part of a training needs.

    Attributes:
        settings: settings of the training, completed by `setup.settings`.
        processes: this process and the others that train with it.
        progress: where the training reports to the user; silent in all processes but rank 0.
        interrupts: the handler of SIGINT and SIGTERM.
    """

    settings: FinetuneSettings
    processes: Processes
    progress: TrainingProgress
    interrupts: InterruptHandler
