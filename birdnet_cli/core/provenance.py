"""Which software and which files produced an artefact."""

import hashlib
import platform
import re
from importlib.metadata import version
from pathlib import Path

from birdnet_cli._version import __version__

__all__ = ["hash_file", "public_source", "software_versions"]

# The folders of a path from the root on: they say more about somebody's machine than an artefact for others should.
FOLDERS = re.compile(r"(?<!\S)/(?:[^/]+/)+")


def software_versions() -> dict[str, str]:
    """Return the versions of fbn, Python and the libraries that the numbers depend on."""
    libraries = ("torch", "torchvision", "pillow", "h5py", "numpy")
    return {"fbn": __version__, "python": platform.python_version()} | {name: version(name) for name in libraries}


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def public_source(text: str) -> str:
    """Return where something came from, a file by its name alone."""
    return FOLDERS.sub("", text)
