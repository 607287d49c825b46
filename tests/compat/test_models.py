"""Models of earlier versions from Python, and heads solved again on earlier caches."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli import load_model, predict
from tests.cli.command_line import Finished
from tests.compat.answers import disagreements, parse_answer
from tests.compat.recorded import EXPECTED, each

MODELS = [(version, name) for version, name in each("answers") if name.startswith("predict ") and " as " not in name]
SOLVED = [(version, name) for version, name in each("commands") if name.endswith(".safetensors")]


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_python_predicts_what_it_did(
    version: str, name: str, copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied(version))
    rows = EXPECTED[version]["answers"][name]["values"]
    model = load_model(rows[0]["model"], device="cpu", precision="float32", weights="weights.safetensors")
    found = predict([row["path"] for row in rows], model)
    assert disagreements(rows, [json.loads(json.dumps(row.to_json())) for row in found], tolerance=1e-6) == []


@pytest.mark.parametrize(("version", "name"), SOLVED)
def test_an_old_cache_gives_the_same_model(
    version: str, name: str, copied: Callable[[str], Path], fbn: Callable[..., Finished]
) -> None:
    (copied(version) / name).unlink()
    expected = EXPECTED[version]
    done = fbn(*shlex.split(expected["commands"][name]))
    assert done.code == 0, done.err
    asked = expected["answers"][f"predict {name}"]
    found = parse_answer(fbn(*shlex.split(asked["command"])).out, ".json")
    # A solver stops within its own tolerance of the optimum, and W may be rounded to half precision.
    assert disagreements(asked["values"], found, tolerance=1e-3) == []
