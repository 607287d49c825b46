"""Two ways to run `fbn`: a process of its own, as a user does, and this process, which has torch already."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where the suite keeps compiled kernels, and whether it may compile any.
KEPT = ("FBN_CACHE_DIR", "FBN_OPS")
RUN = (sys.executable, "-c", "from birdnet_cli.cli.app import main; main()")


@dataclass(frozen=True)
class Finished:
    """The exit code of a command, and its output on stdout and stderr."""

    code: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which the package is found, and whose only `FBN_` variables are those of the suite."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("FBN_")}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"} | changes


def run_fbn(
    *arguments: object,
    cwd: Path,
    input: bytes | None = None,
    env: dict[str, str] | None = None,
) -> Finished:
    """Run a command line in a process of its own."""
    done = subprocess.run(
        [*RUN, *(os.fspath(value) if isinstance(value, Path) else str(value) for value in arguments)],
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        cwd=cwd,
        env=environment() if env is None else env,
        timeout=300,
        check=False,
    )
    return Finished(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def json_rows(text: str) -> list[dict[str, Any]]:
    """Return the rows of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
