"""`python -m tests.load [--images N] [-j W]`: a long extraction with 1% bad images; exits with 1 beyond a bound."""

import argparse
import sys
import tempfile
from pathlib import Path

from birdnet_cli.core.errors import ExitCode
from tests.load.endurance import extract_and_watch, write_images


def main() -> int:
    """Write images, extract them with one interruption, and print the measurements."""
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("-j", "--workers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bad = write_images(Path(name) / "data", given.images)
        seen = extract_and_watch(Path(name), given.images, workers=given.workers)
    print(seen)
    listed = (seen.code, seen.failed, seen.listed) == (ExitCode.SOME_INPUTS_FAILED, bad, bad)
    steady = seen.slope < 5e6 and seen.last_rate > 0.9 * seen.first_rate
    return ExitCode.DONE if listed and steady else ExitCode.FAILURE


if __name__ == "__main__":
    sys.exit(main())
