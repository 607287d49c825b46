"""`python -m tests.crash [--kills N | --full-disk] [--seed S] [NAME…]`; exits with 1 if anything is lost."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.crash.machine import CASES, Machine

SHARES = (0, 0.02, 0.5, 0.99)


def main() -> int:
    """Kill each command an equal number of times, or let the disk fill at several sizes."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("names", nargs="*", default=list(CASES))
    parser.add_argument("--kills", type=int, default=201)
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lost = False
    for name in given.names:
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(name, Path(folder), seed=given.seed)
            found = _fill(machine) if given.full_disk else _kill(machine, given.kills / len(given.names))
            for line in found:
                lost = True
                print(f"{name}, {line}", flush=True)
    return int(lost)


def _kill(machine: Machine, kills: float) -> Iterator[str]:
    """Yield what is wrong after runs that are killed once to three times."""
    started = time.monotonic()
    hits = rounds = 0
    while hits < kills:
        hit, wrong = machine.round(1 + rounds % 3)
        hits, rounds = hits + hit, rounds + 1
        yield from (f"round {rounds}: {line}" for line in wrong)
    print(f"{machine.name}: {hits} kills in {rounds} runs, {time.monotonic() - started:.0f} s", flush=True)


def _fill(machine: Machine) -> Iterator[str]:
    """Yield what is wrong with runs in which no file may grow beyond a share of the largest result."""
    for share in SHARES:
        code, said, wrong = machine.starve(int(share * machine.largest))
        *_, last = said.splitlines() or [""]
        named = machine.case.results[0].split("/")[0]
        if code != 1 or not last.startswith("error: ") or named not in last or "File too large" not in last:
            yield f"at {share:.0%}: exit code {code}: {said[-500:]}"
        if "Traceback" in said:
            yield f"at {share:.0%}: {said[-500:]}"
        yield from (f"at {share:.0%}: {line}" for line in wrong)
    print(f"{machine.name}: {len(SHARES)} full disks", flush=True)


if __name__ == "__main__":
    sys.exit(main())
