"""The folder of one training, `runs/NAME/`: who may write into it, and the files that say what happened there."""

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
    """A folder that this process alone writes into.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path / LOCK, timeout=0, thread_local=False)

    @classmethod
    def open(cls, path: Path, *, resume: bool, overwrite: bool) -> "RunDirectory":
        """Take hold of the folder; nothing in it is changed yet.

        Args:
            path: the folder, created where needed.
            resume: continue the run in it.
            overwrite: replace the run in it, when `begin` is called.

        Raises:
            UsageError: the folder holds a run and neither was asked for, or both were; it holds something else; there
                is nothing to resume; or another process trains in it.
        """
        if resume and overwrite:
            raise UsageError("--resume and --overwrite exclude each other: continue the run, or start it afresh")
        run = cls(path)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: expected a folder for the run, found a file")
        if resume and not run.config.is_file():
            raise UsageError(f"{path}: no run to resume: it has no {CONFIG}")
        held = sorted(one.name for one in path.iterdir() if not _is_passing(one.name)) if path.is_dir() else []
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
        """Remove what an earlier run left, and write the settings as a recipe that `--recipe` takes."""
        # Only what a run writes: whatever else the user keeps here is not ours.
        for name in OWN_FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        # The settings stay until new ones replace them: a folder without is no run, and would be refused.
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
        """The resolved settings, a recipe."""
        return self.path / CONFIG

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def close(self) -> None:
        """Let other processes write here."""
        self._lock.release()

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Add what this session runs on to `env.json`, a list with one entry per session."""
        file = self.path / "env.json"
        sessions = json.loads(file.read_bytes()) if file.is_file() else []
        write_bytes_atomically(file, json.dumps([*sessions, dict(facts)], indent=1).encode())

    def log(self, text: str) -> None:
        """Append a line with the time to `log.txt`."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        append_bytes(self.path / "log.txt", f"{stamp} {text}\n".encode(errors="backslashreplace"))


def _is_passing(name: str) -> bool:
    # A run that was killed while it wrote its first file has left that file's temporary one alone.
    return name == LOCK or (name.startswith(tuple(f".{one}." for one in OWN_FILES)) and name.endswith(".tmp"))
