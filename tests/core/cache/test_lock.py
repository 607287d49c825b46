import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from birdnet_cli.core.cache import Parts
from birdnet_cli.core.errors import CacheError

ROOT = Path(__file__).parents[3]
HOLD = """
parts = Parts.open(out, Extraction().plan)
print("held", flush=True)
sys.stdin.read()
"""
HOLD_AND_FORK = """
import time
parts = Parts.open(out, Extraction().plan)
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""


def start(source: str, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, str(out)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_told_who_holds_the_cache_until_that_process_is_gone(extraction, tmp_path, process_script):
    out = tmp_path / "feats.h5"
    with start(process_script + HOLD, out) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CacheError, match=rf"process {holder.pid} on \S+ is writing here"):
            Parts.open(out, extraction.plan, overwrite=True)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Parts.open(out, extraction.plan) as parts:
        assert parts.missing_shards() == [0, 1, 2]


def test_a_second_writer_in_the_same_process_is_refused_too(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan), pytest.raises(CacheError, match="is writing here"):
        Parts.open(out, extraction.plan)
    Parts.open(out, extraction.plan).close()


def open_within_seconds(out, plan, seconds=10.0):
    """Open parts whose lock a worker gives back as soon as it runs for the first time after its fork."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Parts.open(out, plan)
        except CacheError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_loader_worker_that_outlives_a_killed_writer_does_not_keep_the_lock(extraction, tmp_path, process_script):
    out = tmp_path / "feats.h5"
    with start(process_script + HOLD_AND_FORK, out) as holder:
        worker = int(holder.stdout.readline())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        try:
            open_within_seconds(out, extraction.plan).close()
        finally:
            os.kill(worker, signal.SIGKILL)
