"""`python -m tests.crash [--kills N] [--seed S] [NAME…]`: kill commands N times in all; exits with 1 if any is lost."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.machine import CASES, Machine


def main() -> int:
    """Kill each command an equal number of times, in runs that are killed once to three times."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("names", nargs="*", default=list(CASES))
    parser.add_argument("--kills", type=int, default=201)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lost = False
    for name in given.names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(name, Path(folder), seed=given.seed)
            hits = rounds = 0
            while hits < given.kills / len(given.names):
                hit, wrong = machine.round(1 + rounds % 3)
                hits, rounds = hits + hit, rounds + 1
                for line in wrong:
                    print(f"{name}, round {rounds}: {line}", flush=True)
                lost |= bool(wrong)
        print(f"{name}: {hits} kills in {rounds} runs, {time.monotonic() - started:.0f} s", flush=True)
    return int(lost)


if __name__ == "__main__":
    sys.exit(main())
