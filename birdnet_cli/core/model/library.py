"""Find model files in a folder and say what each is."""

from dataclasses import dataclass
from pathlib import Path

from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.model.file import read_description
from birdnet_cli.core.poolings import pooling_name

__all__ = ["ModelEntry", "find_model", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model file: where it is, how large (bytes), and what its header says."""

    path: Path
    size: int
    description: ModelDescription

    @property
    def descriptor(self) -> str:
        """The canonical name of the model's pooling; empty where the head takes the feature map."""
        pooling = self.description.pooling
        return pooling_name(pooling) if pooling is not None else ""


def list_models(folder: Path) -> list[ModelEntry]:
    """Return the models in `folder` itself and below its `runs/`, newest first.

    Files of that suffix that are not models of fbn are left out.
    """
    found = [*folder.glob("*.safetensors"), *folder.glob("runs/**/*.safetensors")]
    # A link may lead nowhere.
    files = [path for path in found if path.is_file()]
    entries = []
    for path in sorted(files, key=lambda one: (-one.stat().st_mtime_ns, str(one))):
        try:
            entries.append(ModelEntry(path, path.stat().st_size, read_description(path)))
        except ModelFileError:
            continue
    return entries


def find_model(folder: Path) -> Path:
    """Return the newest model in `folder` or its `runs/`; of one training the best, though the last is newer.

    Raises:
        ModelFileError: there is none.
    """
    entries = list_models(folder)
    if not entries:
        raise ModelFileError("no model: name one with -m or FBN_MODEL, or write one with fbn train-head")
    newest = entries[0].path
    best = newest.with_name("best.safetensors")
    return best if newest.name == "last.safetensors" and best in [entry.path for entry in entries] else newest
