"""Find backbone weights, show a download's progress, and check the sha256 that a cache or model recorded."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from birdnet_cli.core.backbones.weights import WeightSet, resolve_weights
from birdnet_cli.core.errors import WeightsError
from birdnet_cli.core.progress import Advance, Progress, SilentProgress

__all__ = ["find_recorded_weights", "find_weights"]


def find_weights(
    backbone: str, source: str, *, preprocessing: str = "auto", progress: Progress | None = None
) -> WeightSet:
    """Return the weights that `resolve_weights` finds, and report a download as a stage of `progress`.

    Args:
        backbone: a name of `list_backbones`, or `timm:NAME`.
        source: `auto`, `none` or a file.
        preprocessing: `imagenet` or `oxford`; `auto` leaves the choice to the weights.
        progress: reports a download.

    Raises:
        FbnError: as `resolve_weights`.
    """
    with _DownloadStage(progress or SilentProgress(), backbone) as follow:
        overruled = None if preprocessing == "auto" else preprocessing
        return resolve_weights(backbone, source, preprocessing=overruled, on_progress=follow)


def find_recorded_weights(
    record: Mapping[str, Any], source: str, *, owner: object, progress: Progress | None = None
) -> WeightSet:
    """Return the weights that a feature cache or a model was made with.

    Args:
        record: `backbone`, its name, and `weights_sha256`, as the cache or model recorded them.
        source: where to look: `auto`, `none` or a file.
        owner: path of the cache or model, for the error message.
        progress: reports a download.

    Raises:
        WeightsError: no weights were found, or they have another sha256.
    """
    found = find_weights(record["backbone"], source, progress=progress)
    if found.sha256 != record["weights_sha256"]:
        raise WeightsError(
            f"{owner}: was made with {record['backbone']} weights of sha256 {record['weights_sha256'][:12]}…, but "
            f"{found.source} has {found.sha256[:12]}…; give the right file with --weights"
        )
    return found


class _DownloadStage(ExitStack):
    """Opens a stage when the first bytes arrive, because their total is unknown before."""

    def __init__(self, progress: Progress, title: str) -> None:
        super().__init__()
        self.progress = progress
        self.title = title
        self.advance: Advance | None = None
        self.done = 0

    def __call__(self, done: int, total: int) -> None:
        if self.advance is None:
            stage = self.progress.stage(f"download {self.title}", total=total, unit="bytes")
            self.advance = self.enter_context(stage)
        self.advance(done - self.done)
        self.done = done
