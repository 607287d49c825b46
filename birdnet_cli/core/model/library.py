"""Find the model files of a folder and read their headers."""

from dataclasses import dataclass
from pathlib import Path

from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.model.file import read_description
from birdnet_cli.core.poolings import pooling_name

__all__ = ["ModelEntry", "find_model", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model file: its path, its size in bytes, and its header."""

    path: Path
    size: int
    description: ModelDescription

    @property
    def descriptor(self) -> str:
        """Canonical name of the model's pooling; empty if the head takes the feature map."""
        pooling = self.description.pooling
        return pooling_name(pooling) if pooling is not None else ""


def list_models(folder: Path) -> list[ModelEntry]:
    """Return the models in `folder` itself and below its `runs/`, newest first.

    Other `.safetensors` files are left out.
    """
    found = [*folder.glob("*.safetensors"), *folder.glob("runs/**/*.safetensors")]
    # A symbolic link may be broken.
    files = [path for path in found if path.is_file()]
    entries = []
    for path in sorted(files, key=lambda path: (-path.stat().st_mtime_ns, str(path))):
        try:
            entries.append(ModelEntry(path, path.stat().st_size, read_description(path)))
        except ModelFileError:
            continue
    return entries


def find_model(folder: Path) -> Path:
    """Return the newest model in `folder` or its `runs/`; of a training run, `best` rather than the newer `last`.

    Raises:
        ModelFileError: there is no model.
    """
    entries = list_models(folder)
    if not entries:
        raise ModelFileError("no model found: name a file with -m or FBN_MODEL, or write a model with fbn train-head")
    newest = entries[0].path
    best = newest.with_name("best.safetensors")
    return best if newest.name == "last.safetensors" and best in [entry.path for entry in entries] else newest
