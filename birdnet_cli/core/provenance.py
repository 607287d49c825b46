"""The software and the files that produced an artefact."""

import hashlib
import platform
import re
from importlib.metadata import version
from pathlib import Path

from birdnet_cli._version import __version__

__all__ = ["hash_file", "public_source", "software_versions"]

# The folders of an absolute path. They describe the user's machine and do not belong in a file that is passed on.
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
    """Return the description of a source with each absolute path cut to its file name."""
    return FOLDERS.sub("", text)
