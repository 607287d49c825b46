"""How a process of `fbn` ends when it is interrupted, when nobody reads, and in a bare environment."""

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import RUN, environment, run_fbn

Start = Callable[..., "subprocess.Popen[str]"]


def test_a_closed_stdout_ends_quietly(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*RUN, "--help"], stdout=writing, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, check=False
    )
    os.close(writing)
    assert done.stderr == b""


def test_head_cuts_the_rows_short_without_a_traceback(tmp_path: Path, model: Path, textures: Path) -> None:
    (tmp_path / "many.txt").write_text(f"{textures}/test/rings/000.png\n" * 3000)
    command = shlex.join([*RUN, "predict", "many.txt", "-m", str(model), "--format", "jsonl", "-q"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1"],
        capture_output=True, text=True, env=environment(), cwd=tmp_path, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout)["status"] == "ok"


def test_it_runs_without_a_home_in_a_c_locale_from_a_folder_with_blanks(tmp_path: Path, few: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    few.rename(folder / "more images")
    env = environment(LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    env.pop("HOME", None)
    done = run_fbn("data", "stats", "more images", "--json", cwd=folder, env=env)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["splits"] == {"train": 6, "test": 3}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command and return once a file that it writes meanwhile is there."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, until: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*RUN, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(),
            # Started in the background, a test run ignores SIGINT, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(until)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_extraction_leaves_no_temporary_file(
    start: Start, tmp_path: Path, textures: Path, number: int, code: int
) -> None:
    # 10 GFLOP for each of 36 images: it cannot be over before the signal comes.
    quick = ["--weights", "none", "--image-size", "128", "-b", "1", "-j", "1"]
    process = start("extract", textures, "-o", "out.h5", *quick, until="out.h5.parts/plan.json")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert not (tmp_path / "out.h5").exists()
    assert [path.name for path in tmp_path.rglob("*") if ".tmp" in path.name] == []


def test_an_interrupted_prediction_leaves_neither_output_nor_temporary_file(
    start: Start, tmp_path: Path, model: Path, textures: Path
) -> None:
    (tmp_path / "many.txt").write_text(f"{textures}/test/rings/000.png\n" * 50_000)
    process = start(
        "predict", "many.txt", "-m", model, "-o", "out.jsonl", "--format", "jsonl", "-j", "0", until=".out.jsonl.*.tmp"
    )
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "many.txt"]
