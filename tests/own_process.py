"""Python in a process of its own, without threads that a fork in it would lose."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_python"]

ROOT = Path(__file__).resolve().parents[1]


def run_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `python ARGUMENTS` in the checkout's root, for at most five minutes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        (sys.executable, *arguments), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
