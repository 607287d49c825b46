"""Finished libraries on disk: `<user cache>/ops/<address>/`, each with a record of how it was built."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

__all__ = ["BuiltLibrary", "find_built", "find_prebuilt", "library_name", "record_name", "store_folder"]


@dataclass(frozen=True, slots=True)
class BuiltLibrary:
    """A library and how it was built.

    Attributes:
        path: the `.so` file.
        device: `cpu` or `cuda`.
        tool: name and version of the compiler.
        flags: flags of the compiler.
        architectures: architectures of GPUs.
        cuda: for a GPU's library, the version of CUDA that PyTorch was built with.
        seconds: duration of the build.
        log: the compiler's output, such as warnings.
        sha256: sha256 of the file.
    """

    path: Path
    device: str
    tool: str
    flags: tuple[str, ...]
    architectures: tuple[str, ...]
    cuda: str | None
    seconds: float
    log: str
    sha256: str

    def write_record(self, folder: Path) -> None:
        """Write all but the path to `<folder>/<name of the library>.json`."""
        fields = {name: value for name, value in asdict(self).items() if name != "path"}
        (folder / record_name(self.device)).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def library_name(device: str) -> str:
    """Return the file name of a device's library."""
    return f"_C_{device}.so"


def record_name(device: str) -> str:
    """Return the file name of the record that lies beside the library."""
    return f"_C_{device}.json"


def store_folder() -> Path:
    """Return the folder of all built libraries, below FBN_CACHE_DIR or the user's cache folder; it may not exist."""
    cache = os.environ.get("FBN_CACHE_DIR") or platformdirs.user_cache_dir("fbn")
    return Path(cache, "ops").absolute()


def find_built(address: str, device: str) -> BuiltLibrary | None:
    """Return the library at an address, or None if there is none, or if its file was changed or damaged."""
    return _read(store_folder() / address, device)


def find_prebuilt(folder: Path, device: str) -> BuiltLibrary | None:
    """Return the library that an installed wheel brings, or None."""
    return _read(folder, device)


def _read(folder: Path, device: str) -> BuiltLibrary | None:
    path = folder / library_name(device)
    try:
        fields: dict[str, Any] = json.loads((folder / record_name(device)).read_bytes())
        content = path.read_bytes()
        lists = {name: tuple(fields[name]) for name in ("flags", "architectures")}
        library = BuiltLibrary(**fields | lists, path=path)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    # After a loss of power, a file may have its name and size but not its content.
    return library if hashlib.sha256(content).hexdigest() == library.sha256 else None
