"""The kernels' sources: their folder, the files of a device's library, and the ops that these files implement."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEVICES", "PACKAGE", "KernelSources", "find_source_folder", "read_sources"]

# device type -> suffix of its translation units, which are compiled into the device's library.
DEVICES = {"cpu": ".cpp", "cuda": ".cu"}

# The folder of `birdnet_cli` itself: prebuilt libraries and an installation's sources are in it.
PACKAGE = Path(__file__).parents[3]

SUFFIXES = frozenset({".cpp", ".cu", ".cuh", ".h", ".hpp", ".inc"})


@dataclass(frozen=True, slots=True)
class KernelSources:
    """Every file that the compiler may read for one device's library.

    Attributes:
        device: `cpu` or `cuda`.
        files: path below the source folder, with `/`, -> content. Files are read once, so that the library is compiled
            from the same content as its address, even if a file is edited meanwhile.
    """

    device: str
    files: Mapping[str, bytes]

    @property
    def units(self) -> tuple[str, ...]:
        """The paths that are compiled; the other files are headers."""
        return tuple(path for path in self.files if _is_unit(path, self.device))

    @property
    def ops(self) -> frozenset[str]:
        """Names of the ops that units are called after: `<op>_kernel.cpp` holds `<op>` and `<op>_backward`."""
        stems = [Path(unit).stem for unit in self.units]
        names = [stem.removesuffix("_kernel") for stem in stems if stem.endswith("_kernel")]
        return frozenset(names) | frozenset(f"{name}_backward" for name in names)


def find_source_folder() -> Path:
    """Return the installed `_csrc`, or `csrc` at the root of the repository; it may not exist."""
    installed = PACKAGE / "_csrc"
    return installed if installed.is_dir() else PACKAGE.parent / "csrc"


def read_sources(device: str, folder: Path) -> KernelSources | None:
    """Read the files below `<folder>/<device>/` at any depth, and those of `folder` that belong to no device.

    Returns:
        None if there is no unit to compile for this device.
    """
    others = DEVICES.keys() - {device}
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    names = {path: path.relative_to(folder) for path in paths}
    files = {name.as_posix(): path.read_bytes() for path, name in names.items() if name.parts[0] not in others}
    sources = KernelSources(device, files)
    return sources if sources.units else None


def _is_unit(path: str, device: str) -> bool:
    return path.startswith(f"{device}/") and path.endswith(DEVICES[device])
