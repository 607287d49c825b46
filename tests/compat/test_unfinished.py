"""An extraction and trainings that were interrupted under an earlier version end as if nothing had happened."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.compat.answers import digest_rows, disagreements, parse_answer, read_metrics
from tests.compat.command_lines import run_all
from tests.compat.commands import RUNS
from tests.compat.inputs import set_times
from tests.compat.make_files import FIRST_SHARD
from tests.compat.recorded import EXPECTED, FOLDERS

OTHER_ARITHMETIC = "needs a machine that rounds as the one on which the files were written"


@dataclass(frozen=True)
class Ends:
    """What was interrupted, finished; the same done from the beginning; and what was recorded of both."""

    version: str
    resumed: Path
    unbroken: Path

    @property
    def recorded(self) -> dict[str, Any]:
        return EXPECTED[self.version]["finished"]


@pytest.fixture(scope="module", params=EXPECTED)
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ends:
    version: str = request.param
    commands = EXPECTED[version]["commands"]
    resumed, unbroken = (
        Path(shutil.copytree(FOLDERS[version], tmp_path_factory.mktemp("ends") / name))
        for name in ("resumed", "unbroken")
    )
    set_times(resumed)
    set_times(unbroken)
    for path in ("killed.h5.parts", *RUNS):
        shutil.rmtree(unbroken / path)
    lines = [(folder, commands["killed.h5"]) for folder in (resumed, unbroken)]
    for run in RUNS:
        predict = f"{EXPECTED[version]['finished'][run]['command']} -o {run}.json"
        lines += [(resumed, f"finetune images.csv -o {run} --resume -q"), (unbroken, commands[run]), (resumed, predict)]
    run_all(lines)
    return Ends(version, resumed, unbroken)


def test_a_killed_extraction_keeps_what_it_had_and_adds_the_rest(ends: Ends) -> None:
    file = ends.resumed / "killed.h5"
    assert digest_rows(file, FIRST_SHARD) == ends.recorded["killed.h5"]
    with h5py.File(file) as found, h5py.File(ends.unbroken / "killed.h5") as expected:
        for name in expected["features"]:
            one, other = (stored["features"][name][:].astype(np.float32) for stored in (found, expected))
            np.testing.assert_allclose(one, other, rtol=2**-10, atol=2**-12)


def test_a_killed_extraction_ends_in_the_same_bytes(ends: Ends) -> None:
    if digest_rows(ends.unbroken / "killed.h5", FIRST_SHARD) != ends.recorded["killed.h5"]:
        pytest.skip(OTHER_ARITHMETIC)
    assert (ends.resumed / "killed.h5").read_bytes() == (ends.unbroken / "killed.h5").read_bytes()


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_learns_what_was_recorded(ends: Ends, run: str) -> None:
    recorded = ends.recorded[run]
    assert disagreements(recorded["metrics"], read_metrics(ends.resumed / run), tolerance=1e-4) == []
    found = parse_answer((ends.resumed / f"{run}.json").read_text(encoding="utf-8"), ".json")
    assert disagreements(recorded["predictions"], found, tolerance=1e-4) == []


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_ends_in_the_same_bytes(ends: Ends, run: str) -> None:
    before = read_metrics(FOLDERS[ends.version] / run)
    if disagreements(before, read_metrics(ends.unbroken / run)[: len(before)], tolerance=0):
        pytest.skip(OTHER_ARITHMETIC)
    for model in ("best.safetensors", "last.safetensors"):
        assert (ends.resumed / run / model).read_bytes() == (ends.unbroken / run / model).read_bytes()
