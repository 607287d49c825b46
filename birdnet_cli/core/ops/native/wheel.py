"""A wheel with the kernels' sources -> a wheel for this platform that also carries the libraries built from them."""

import base64
import csv
import hashlib
import io
import re
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops.native.sources import PACKAGE, KernelSources, read_sources
from birdnet_cli.core.ops.native.store import BuiltLibrary, library_name, record_name

__all__ = ["find_wheel", "put_into_wheel", "read_wheel_sources"]

SOURCES = f"{PACKAGE.name}/_csrc/"
LIBRARY_MODE = 0o100755 << 16


def find_wheel(path: Path) -> Path:
    """Return the wheel at `path`, or, if `path` is a folder, its only wheel of fbn for any platform.

    Raises:
        UsageError: there is none, or more than one.
    """
    if path.is_file() and path.suffix == ".whl":
        return path
    wheels = sorted(path.glob("birdnet_cli-*-none-any.whl")) if path.is_dir() else []
    if len(wheels) != 1:
        names = ", ".join(wheel.name for wheel in wheels) or "none"
        raise UsageError(
            f"{path}: expected a wheel, or a folder with one birdnet_cli-*-none-any.whl, got {names}; "
            "python -m pip wheel . --no-deps -w dist makes one"
        )
    return wheels[0]


def read_wheel_sources(wheel: Path, device: str) -> KernelSources | None:
    """Read a device's sources out of a wheel, so that its libraries are built from the sources in it.

    Returns:
        None if it holds no sources for that device.

    Raises:
        UsageError: not a wheel.
    """
    with _open(wheel) as archive, tempfile.TemporaryDirectory() as scratch:
        names = [name for name in archive.namelist() if name.startswith(SOURCES)]
        archive.extractall(scratch, members=names)
        return read_sources(device, Path(scratch, SOURCES))


def put_into_wheel(wheel: Path, libraries: Iterable[BuiltLibrary]) -> Path:
    """Write a wheel beside `wheel` with the libraries added, tagged for any Python on this platform.

    Raises:
        UsageError: not a wheel.
        OSError: it cannot be written.
    """
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    name, version = wheel.name.split("-")[:2]
    target = wheel.with_name(f"{name}-{version}-py3-none-{platform}.whl")
    with _open(wheel) as archive:
        contents = {info: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    contents = _without_libraries(contents) | _library_files(libraries)
    about = next(info for info in contents if info.filename.endswith(".dist-info/WHEEL"))
    contents[about] = _retag(contents[about].decode(), platform).encode()
    record = next(info for info in contents if info.filename.endswith(".dist-info/RECORD"))
    del contents[record]
    with replace_atomically(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in contents.items():
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
        archive.writestr(record, _record(contents, record.filename), zipfile.ZIP_DEFLATED)
    return target


def _open(wheel: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{wheel}: not a wheel that can be read: {error}") from error
    if not any(PurePosixPath(name).match("*.dist-info/WHEEL") for name in archive.namelist()):
        raise UsageError(f"{wheel}: not a wheel: it has no .dist-info/WHEEL")
    return archive


def _without_libraries(contents: Mapping[zipfile.ZipInfo, bytes]) -> dict[zipfile.ZipInfo, bytes]:
    # Libraries of an earlier run, whose sources may have changed since, must not stay.
    ours = re.compile(rf"{PACKAGE.name}/_C_\w+\.(so|json)")
    return {info: content for info, content in contents.items() if not ours.fullmatch(info.filename)}


def _library_files(libraries: Iterable[BuiltLibrary]) -> dict[zipfile.ZipInfo, bytes]:
    files = {}
    for library in libraries:
        binary = zipfile.ZipInfo(f"{PACKAGE.name}/{library_name(library.device)}")
        binary.external_attr = LIBRARY_MODE
        files[binary] = library.path.read_bytes()
        record = record_name(library.device)
        files[zipfile.ZipInfo(f"{PACKAGE.name}/{record}")] = (library.path.parent / record).read_bytes()
    return files


def _retag(text: str, platform: str) -> str:
    text = re.sub(r"(?m)^Root-Is-Purelib:.*$", "Root-Is-Purelib: false", text)
    tags = re.compile(r"(?m)^Tag:.*$\n?")
    return f"{tags.sub('', text).rstrip()}\nTag: py3-none-{platform}\n"


def _record(contents: Mapping[zipfile.ZipInfo, bytes], own_name: str) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for info, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow([info.filename, f"sha256={digest}", len(content)])
    rows.writerow([own_name, "", ""])
    return text.getvalue()
