"""`python -m tests.fuzz [--inputs N] [--seed S] [NAME…]`: many damaged files; exits with 1 if there are findings."""

import argparse
import sys
import time

from birdnet_cli.core.errors import ExitCode
from tests.fuzz.harness import fuzz
from tests.fuzz.parsers import PARSERS


def main() -> int:
    """Fuzz the parsers that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", default=list(PARSERS))
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = []
    for name in given.names:
        started = time.monotonic()
        findings = fuzz(name, inputs=given.inputs, seed=given.seed)
        print(f"{name}: {given.inputs:,} inputs, {len(findings)} findings, {time.monotonic() - started:.0f} s")
        found += findings
    print("\n".join(found))
    return ExitCode.FAILURE if found else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
