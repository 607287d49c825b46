"""Find backbone weights for a use case: a download is followed, and weights on record must come back the same."""

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
    """Return what `resolve_weights` finds; a download is a stage of `progress`.

    Raises:
        FbnError: as `resolve_weights`.
    """
    with _DownloadStage(progress or SilentProgress(), backbone) as follow:
        overruled = None if preprocessing == "auto" else preprocessing
        return resolve_weights(backbone, source, preprocessing=overruled, on_progress=follow)


def find_recorded_weights(
    record: Mapping[str, Any], source: str, *, owner: object, progress: Progress | None = None
) -> WeightSet:
    """Return the weights that an artefact was made with.

    Args:
        record: the artefact's `backbone` (its name) and `weights_sha256`.
        source: where to look: `auto`, `none` or a file.
        owner: the artefact, for the error.
        progress: follows a download.

    Raises:
        WeightsError: not found, or what is found has another sha256.
    """
    found = find_weights(record["backbone"], source, progress=progress)
    if found.sha256 != record["weights_sha256"]:
        raise WeightsError(
            f"{owner}: was made with {record['backbone']} weights of sha256 {record['weights_sha256'][:12]}…, but "
            f"{found.source} has {found.sha256[:12]}…; give the right file with --weights"
        )
    return found


class _DownloadStage(ExitStack):
    """Opens a stage when the first bytes arrive, since only then their total is known."""

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
