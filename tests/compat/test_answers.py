"""Commands that read the files of earlier versions: every value that was answered then is answered now."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import Finished
from tests.compat.answers import disagreements, parse_answer
from tests.compat.recorded import EXPECTED, each, recorded_answer

TOLERANCE = 1e-6
# An audit and a training solve anew, and how that rounds depends on the machine; a CSV of predictions has six digits.
LOOSER = {"audit": 2e-4, "start": 1e-4, "csv": 2e-6}


@pytest.mark.parametrize(("version", "name"), each("answers"))
def test_an_answer_stays(version: str, name: str, copied: Callable[[str], Path], fbn: Callable[..., Finished]) -> None:
    folder = copied(version)
    asked = EXPECTED[version]["answers"][name]
    place = folder / asked["answer"]
    place.unlink(missing_ok=True)
    done = fbn(*shlex.split(asked["command"]))
    assert done.code == asked["code"], done.err
    text = done.out if place.stem == "stdout" else place.read_text(encoding="utf-8")
    tolerance = max([TOLERANCE, *(LOOSER[word] for word in name.split() if word in LOOSER)])
    assert disagreements(recorded_answer(version, name), parse_answer(text, place.suffix), tolerance=tolerance) == []
