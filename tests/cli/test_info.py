"""`fbn info`, and the sha256 by which a model is told from another."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def test_a_model_is_described_with_its_hash(fbn: Fbn, model: Path) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    about = json.loads(fbn("info", model, "--json").out)
    assert about["sha256"] == digest
    assert about["classes"] == ["checks", "rings", "stripes"]
    shown = fbn("info", model)
    assert (shown.code, shown.err) == (0, "")
    assert digest in shown.out


def test_a_cache_is_described_as_by_its_own_command(fbn: Fbn, cache: Path) -> None:
    assert fbn("info", cache, "--json").out == fbn("cache", "info", cache, "--json").out


def test_another_file_is_one_line(fbn: Fbn, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for name, code in (("notes.txt", 1), ("gone.safetensors", 1), ("gone.h5", 1)):
        done = fbn("info", name)
        assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
        assert name in done.err


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_model_of_another_hash_is_refused(fbn: Fbn, command: str, model: Path, cache: Path, photos: Path) -> None:
    source = photos / "a.png" if command == "predict" else cache
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert fbn(command, source, "-m", model, "--sha256", digest.upper(), "-q").code == 0
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")
    done = fbn(command, source, "-m", model, "--sha256", digest, "-q")
    assert (done.code, done.out) == (1, "")
    assert f"not {digest}: it is another file, do not use it" in done.err
    done = fbn(command, source, "-m", model, "--sha256", "abc", "-q")
    assert done.code == 2
    assert "a SHA-256 has 64 hexadecimal digits, got 'abc'" in done.err
