"""Which software produced an artefact."""

import platform
from importlib.metadata import version

from birdnet_cli._version import __version__

__all__ = ["software_versions"]


def software_versions() -> dict[str, str]:
    """Return the versions of fbn, Python and the libraries that the numbers depend on."""
    libraries = ("torch", "torchvision", "pillow", "h5py", "numpy")
    return {"fbn": __version__, "python": platform.python_version()} | {name: version(name) for name in libraries}
