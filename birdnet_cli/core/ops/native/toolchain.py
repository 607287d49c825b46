"""Find the C++ compiler and its version, and ninja."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from birdnet_cli.core.errors import KernelError

__all__ = ["Compiler", "ask_version", "find_compiler", "find_ninja"]

NAMES = ("c++", "g++", "clang++")
INSTALL = "install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++) or name it in CXX"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        command: the words that call it, several if CXX names a wrapper, such as `ccache g++`.
        version: the first line of its `--version`.
    """

    command: tuple[str, ...]
    version: str

    @property
    def program(self) -> str:
        """The compiler itself, without a wrapper before it or flags after it."""
        words = [word for word in self.command if not word.startswith("-")]
        return words[-1]


def find_compiler() -> Compiler:
    """Return the compiler that CXX names, else the first of c++, g++ and clang++ on PATH.

    Raises:
        KernelError: there is none, or it does not run.
    """
    wanted = shlex.split(os.environ.get("CXX", ""))
    if wanted and shutil.which(wanted[0]) is None:
        raise KernelError(f"no C++ compiler: CXX is '{shlex.join(wanted)}', which is not there", INSTALL)
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if not wanted and found is None:
        raise KernelError(f"no C++ compiler: none of {', '.join(NAMES)} is on PATH", INSTALL)
    command = tuple(wanted) or (str(found),)
    return Compiler(command, ask_version(*command, remedy=INSTALL).splitlines()[0])


def find_ninja() -> str:
    """Return the program that the `ninja` package brings, else the one on PATH.

    Raises:
        KernelError: there is neither.
    """
    try:
        import ninja
    except ImportError:
        bundled = None
    else:
        bundled = shutil.which("ninja", path=ninja.BIN_DIR)
    found = bundled or shutil.which("ninja")
    if found is None:
        raise KernelError(
            "no ninja: neither its Python package nor the program is there", "python -m pip install ninja"
        )
    return found


def ask_version(*command: str | Path, remedy: str) -> str:
    """Return the output of `command --version`.

    Raises:
        KernelError: it does not run, fails, or writes nothing.
    """
    name = shlex.join(map(str, command))
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, errors="replace", timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelError(f"{name} --version fails: {error}", remedy) from error
    if not done.stdout.strip():
        raise KernelError(f"{name} --version says nothing", remedy)
    return done.stdout
