"""The run directory of a training: its lock, settings (`config.yaml`), environment (`env.json`) and log."""

import json
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import yaml

from birdnet_cli.core.atomic import append_bytes, name_errors, write_bytes_atomically
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["RunDirectory"]

CONFIG = "config.yaml"
OWN_FILES = (CONFIG, "metrics.csv", "log.txt", "env.json", "last.safetensors", "best.safetensors")
OWN_FOLDERS = ("checkpoints", "events")
LOCK = ".lock"


class RunDirectory:
    """The folder of a run, locked so that a single process writes into it.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path / LOCK, timeout=0, thread_local=False)

    @classmethod
    def open(cls, path: Path, *, resume: bool, overwrite: bool) -> "RunDirectory":
        """Lock the folder; its files are not changed yet.

        Args:
            path: the folder; created if it is missing.
            resume: whether to continue the run in it.
            overwrite: whether to replace the run in it when `begin` is called.

        Raises:
            UsageError: the folder holds a run, and neither `resume` nor `overwrite` was given, or both; it holds other
                files; there is no run to resume; or another process trains in it.
        """
        if resume and overwrite:
            raise UsageError("--resume and --overwrite exclude each other: continue the run, or start it afresh")
        run = cls(path)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: expected a folder for the run, found a file")
        if resume and not run.config.is_file():
            raise UsageError(f"{path}: no run to resume: it has no {CONFIG}")
        held = sorted(file.name for file in path.iterdir() if not _is_temporary(file.name)) if path.is_dir() else []
        if held and not run.config.is_file():
            raise UsageError(f"{path}: holds files but no run of fbn ({held[0]}, …); choose another folder")
        if held and not (resume or overwrite):
            raise UsageError(
                f"{path}: holds a run already; continue it with --resume, replace it with --overwrite, or choose "
                "another folder"
            )
        path.mkdir(parents=True, exist_ok=True)
        try:
            with name_errors(path / LOCK):
                run._lock.acquire()
        except filelock.Timeout as error:
            raise UsageError(f"{path}: another process trains here; wait for it, or choose another folder") from error
        return run

    def begin(self, settings: FinetuneSettings, *, data: str) -> None:
        """Remove the files of an earlier run, and write the settings as a recipe that `--recipe` takes.

        Args:
            settings: settings of the new run.
            data: the data set, for the command in the recipe's header.
        """
        # Files that a run does not write belong to the user and stay.
        for name in OWN_FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        # The old settings stay until they are replaced: a folder with other files and no settings would be refused.
        for name in OWN_FILES:
            if name != CONFIG:
                (self.path / name).unlink(missing_ok=True)
        header = (
            "# The settings of this run, with nothing left out. To train like this again, into another folder:\n"
            f"#   fbn finetune {shlex.quote(data)} --recipe {CONFIG} -o FOLDER\n"
        )
        document = yaml.safe_dump({"finetune": settings.model_dump(mode="json")}, sort_keys=False)
        write_bytes_atomically(self.config, (header + document).encode())

    @property
    def config(self) -> Path:
        """The file of the resolved settings, a recipe."""
        return self.path / CONFIG

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Append the facts about a session to the list in `env.json`."""
        file = self.path / "env.json"
        sessions = json.loads(file.read_bytes()) if file.is_file() else []
        write_bytes_atomically(file, json.dumps([*sessions, dict(facts)], indent=1).encode())

    def log(self, text: str) -> None:
        """Append a line with the time to `log.txt`."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        append_bytes(self.path / "log.txt", f"{stamp} {text}\n".encode(errors="backslashreplace"))


def _is_temporary(name: str) -> bool:
    # A run that was killed while it wrote its first file leaves a temporary file.
    return name == LOCK or (name.startswith(tuple(f".{file}." for file in OWN_FILES)) and name.endswith(".tmp"))
