"""A long extraction, watched from outside: its memory, its rate, and the bad images that it names."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from birdnet_cli.core.cache import SHARD_ROWS, FeatureCache

__all__ = ["Endurance", "extract_and_watch", "write_images"]

BAD_EVERY = 100
COMMAND = (
    "extract", "data", "-o", "a.h5", "--weights", "none", "--layer", "relu1_1", "--image-size", "16",
    "--pooling", "avg", "--on-error", "skip", "-b", "64", "-q",
)  # fmt: skip


@dataclass(frozen=True)
class Endurance:
    """Measurements of an extraction.

    Attributes:
        images: number of images.
        code: the exit code.
        listed: bad images that the command named.
        failed: images that the cache marks as failed.
        slope: bytes of resident memory that 10,000 images add, after the first fifth.
        first_rate: images per second in the first tenth.
        last_rate: images per second in the last tenth.
    """

    images: int
    code: int
    listed: int
    failed: int
    slope: float
    first_rate: float
    last_rate: float


def write_images(folder: Path, count: int) -> int:
    """Write an image folder of tiny pictures and return how many of the files hold no image."""
    rng = np.random.default_rng(0)
    bad = 0
    for number in range(count):
        place = folder / "train" / f"class{number % 10}" / f"{number // 1000:03d}"
        if number < 10_000 or number % 1000 < 10:
            place.mkdir(parents=True, exist_ok=True)
        file = place / f"{number:06d}.png"
        if number % BAD_EVERY == 7:
            file.write_bytes(b"no image")
            bad += 1
        else:
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(file, compress_level=0)
    return bad


def extract_and_watch(folder: Path, count: int, *, workers: int = 1, interrupt: bool = True) -> Endurance:
    """Extract `folder/data`, stop half-way by SIGTERM and resume, as a user might.

    Args:
        folder: the folder that holds `data`.
        count: number of images in `data`.
        workers: decoder processes of the extraction.
        interrupt: False does not stop half-way.
    """
    sessions = []
    for stop in (count // 2, None) if interrupt else (None,):
        with (folder / "stderr.txt").open("w+") as stream:
            process = subprocess.Popen(
                (sys.executable, "-m", "birdnet_cli", *COMMAND, "-j", str(workers)), cwd=folder, stderr=stream,
                stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            sessions.append(_watch(process, folder / "a.h5.parts", stop=stop))
            stream.seek(0)
            listed = sum("/class" in line for line in stream)
    with FeatureCache.open(folder / "a.h5") as cache:
        failed = int((cache.status != 0).sum())
    first, last = sessions[0], sessions[-1]
    return Endurance(
        count,
        process.returncode,
        listed,
        failed,
        _slope([sample for sample in last if last[0].done + count / 10 < sample.done]),
        _rate([sample for sample in first if sample.done <= count / 10]),
        _rate([sample for sample in last if sample.done > 0.9 * count]),
    )


class _Sample(NamedTuple):
    time: float
    done: int
    resident: int


def _watch(process: "subprocess.Popen[bytes]", parts: Path, *, stop: int | None) -> list[_Sample]:
    """Sample the process while shards appear; send SIGTERM once `stop` images are done."""
    samples = []
    while process.poll() is None:
        time.sleep(0.1)
        done = SHARD_ROWS * len(list(parts.glob("shard-*.h5")))
        if done and parts.is_dir():
            samples.append(_Sample(time.monotonic(), done, _resident(process.pid)))
        if stop is not None and done >= stop:
            process.send_signal(signal.SIGTERM)
            stop = None
    return samples


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _slope(samples: list[_Sample]) -> float:
    alive = [sample for sample in samples if sample.resident]
    done = np.array([sample.done for sample in alive], float)
    resident = np.array([sample.resident for sample in alive], float)
    return float(np.polyfit(done, resident, 1)[0] * 10_000)


def _rate(samples: list[_Sample]) -> float:
    """Return images per second between the first and the last shard that appeared; NaN if fewer than two did."""
    appeared = [after for before, after in pairwise(samples) if after.done > before.done]
    if len(appeared) < 2:
        return math.nan
    return (appeared[-1].done - appeared[0].done) / (appeared[-1].time - appeared[0].time)
