"""Command lines of fbn, one after the other in one process, most of whose time would else be the import of torch.

Its arithmetic is what every x86-64 CPU does alike, so that another machine can repeat a training bit for bit.
"""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from tests.cli.command_line import RUN, Finished, environment

__all__ = ["run_all", "start"]

PINNED = {
    "OMP_NUM_THREADS": "1",
    "FBN_OPS": "reference",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
}
# Done, some images failed, a gate or a check failed.
ANSWERED = (0, 3, 4)


def run_all(lines: Sequence[tuple[Path, str]]) -> list[Finished]:
    """Run command lines, each in its folder, and return how each ended; stderr is left out.

    Raises:
        RuntimeError: one of them fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.compat.command_lines"],
        input=json.dumps([(str(folder), shlex.split(line)) for folder, line in lines]),
        stdout=subprocess.PIPE,
        env=environment(**PINNED),
        text=True,
        check=True,
    )
    found = [Finished(code, out, "") for code, out in json.loads(done.stdout)]
    for (folder, line), finished in zip(lines, found, strict=True):
        if finished.code not in ANSWERED:
            raise RuntimeError(f"fbn {line} in {folder}: exit code {finished.code}")
    return found


def start(folder: Path, line: str) -> subprocess.Popen[bytes]:
    """Start a command line in a process of its own."""
    return subprocess.Popen([*RUN, *shlex.split(line)], cwd=folder, env=environment(**PINNED))


def _run_here() -> None:
    from birdnet_cli.cli.app import main

    found = []
    for folder, arguments in json.load(sys.stdin):
        os.chdir(folder)
        sys.argv = ["fbn", *arguments]
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as out:
            code: object = 0
            try:
                main()
            except SystemExit as end:
                code = end.code or 0
            out.seek(0)
            found.append((code, out.read()))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _run_here()
