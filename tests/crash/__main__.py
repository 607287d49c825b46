"""`python -m tests.crash [--kills N | --full-disk | --each-change [--changes N] | --short] [--seed S] [NAME…]`.

Exits with 1 if a result is lost or wrong, or if an error is not clear.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, cycle, product
from pathlib import Path

from birdnet_cli.core.errors import ExitCode
from tests.crash.cases import CASES
from tests.crash.faulty_disk import KINDS, build, is_preloaded
from tests.crash.machine import Machine

SHARES = (0, 0.02, 0.5, 0.99)
SHORT_KILLS = 3


def main() -> int:
    """Kill each command an equal number of times, let the disk fill at several sizes, or let each change fail once.

    The short form does all three, a little of each, on the same inputs.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("names", nargs="*", default=list(CASES))
    parser.add_argument("--kills", type=int, default=201)
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--each-change", action="store_true")
    parser.add_argument("--changes", type=int, help="of each command; default all")
    parser.add_argument(
        "--short", action="store_true", help="3 kills, full disks, and a change for each kind of failure"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if (given.each_change or given.short) and not is_preloaded():
        return _start_with_faulty_disk()
    lost = False
    for name in given.names:
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(name, Path(folder), seed=given.seed)
            if given.short:
                found = chain(_kill(machine, SHORT_KILLS), _fill(machine), _strike(machine, len(KINDS), in_turn=True))
            elif given.each_change:
                found = _strike(machine, given.changes)
            elif given.full_disk:
                found = _fill(machine)
            else:
                found = _kill(machine, given.kills / len(given.names))
            for line in found:
                lost = True
                print(f"{name}, {line}", flush=True)
    return ExitCode.FAILURE if lost else ExitCode.DONE


def _start_with_faulty_disk() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LD_PRELOAD": str(build(Path(folder)))}
        return subprocess.run((sys.executable, "-m", "tests.crash", *sys.argv[1:]), env=environment).returncode


def _kill(machine: Machine, kills: float) -> Iterator[str]:
    """Kill runs once to three times each, and yield a line for each fault found afterwards."""
    started = time.monotonic()
    killed = rounds = 0
    while killed < kills:
        found_alive, wrong = machine.round(1 + rounds % 3)
        killed, rounds = killed + found_alive, rounds + 1
        yield from (f"round {rounds}: {line}" for line in wrong)
    print(f"{machine.name}: {killed} kills in {rounds} runs, {time.monotonic() - started:.0f} s", flush=True)


def _fill(machine: Machine) -> Iterator[str]:
    """Run while no file may grow beyond a share of the largest result, and yield a line for each fault."""
    for share in SHARES:
        code, said, wrong = machine.starve(int(share * machine.largest))
        if code != ExitCode.FAILURE or "File too large" not in said.rpartition("error: ")[2]:
            yield f"at {share:.0%}: exit code {code}: {said[-500:]}"
        yield from (f"at {share:.0%}: {line}" for line in [*_unclear(machine, said), *wrong])
    print(f"{machine.name}: {len(SHARES)} full disks", flush=True)


def _strike(machine: Machine, most: int | None, *, in_turn: bool = False) -> Iterator[str]:
    """Let changes to the disk fail, one in each run, and yield a line for each fault.

    Args:
        machine: the command.
        most: number of changes, evenly spread; None is all.
        in_turn: let a change fail in one way, the next change in the next way; otherwise each fails in every way.
    """
    started = time.monotonic()
    changes = machine.count_changes()
    places = [1 + changes * number // (most or changes) for number in range(most or changes)]
    strikes = list(zip(cycle(KINDS), places, strict=False) if in_turn else product(KINDS, places))
    for kind, at in strikes:
        struck, code, said, wrong = machine.strike(at, kind)
        if not struck:
            wrong.append("nothing was struck")
        if code not in ((-9,) if kind == "SIGKILL" else (ExitCode.DONE, ExitCode.FAILURE)):
            wrong.append(f"exit code {code}: {said[-500:]}")
        if code == ExitCode.FAILURE:
            wrong += _unclear(machine, said)
        yield from (f"{kind} at {at} ({struck}): {line}" for line in wrong)
    took = time.monotonic() - started
    ways = len(strikes) // len(places)
    print(f"{machine.name}: {len(places)} of {changes} changes, in {ways} ways each, {took:.0f} s", flush=True)


def _unclear(machine: Machine, said: str) -> Iterator[str]:
    """Yield the output, unless it ends in a single error line that names the result."""
    *_, last = said.splitlines() or [""]
    named = machine.case.results[0].split("/")[0]
    if not last.startswith("error: ") or named not in last or "Traceback" in said:
        yield f"said {said[-500:]}"


if __name__ == "__main__":
    sys.exit(main())
