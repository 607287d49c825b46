"""Trainings in processes of their own: killed at any moment, or several that train together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.errors import FbnError, UsageError
from birdnet_cli.core.recipe import FinetuneSettings
from tests.cli.command_line import RUN, environment
from tests.core.training.quick import quick_settings, read_rows, same_tensors

LONG = {"epochs": 6, "batch_size": 4, "checkpoint_steps": 3, "head": "bilinear", "ema_decay": 0.9, "momentum": 0.9}
OPTIONS = [option for key, value in LONG.items() for option in ("--set", f"finetune.{key}={value}")]
QUICK = [
    "--weights", "none", "--layer", "relu1_2", "--image-size", "32", "-j", "0", "--device", "cpu", "--precision",
    "float32", "--val-fraction", "0.25", "--set", "finetune.log_steps=1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute as the processes do: sums over other numbers of threads round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def start(*arguments: object, cwd: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*RUN, "finetune", *map(str, arguments), *QUICK], cwd=cwd, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # Started in the background, a test run ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait_for_rows(process: "subprocess.Popen[str]", run: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or len((run / "metrics.csv").read_text().splitlines()) <= count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def assert_same_run(first: Path, second: Path) -> None:
    columns = ("epoch", "step", "lr", "loss", "top1", "grad_norm", "val_loss", "val_top1")
    assert read_rows(first, *columns) == read_rows(second, *columns)
    for name in ("last.safetensors", "best.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    (newest,) = sorted(path.name for path in (first / "checkpoints").glob("*.safetensors"))[-1:]
    assert same_tensors(first / "checkpoints" / newest, second / "checkpoints" / newest)


@pytest.fixture(scope="module")
def unbroken(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    report = finetune(textures, tmp_path_factory.mktemp("unbroken") / "run", settings=quick_settings(**LONG))
    torch.set_num_threads(threads)
    return report.output


# Rows of metrics.csv after which the process is killed: before the first checkpoint, and anywhere later.
@pytest.mark.parametrize("rows", [13, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (1, 4, 8, 11, 20))])
def test_a_killed_run_goes_on_bit_for_bit(unbroken: Path, textures: Path, tmp_path: Path, rows: int) -> None:
    process = start(textures, "-o", "run", *OPTIONS, cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", rows)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finetune(textures, tmp_path / "run", resume=True)
    assert_same_run(unbroken, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_run_killed_at_a_random_time_goes_on_bit_for_bit(
    unbroken: Path, textures: Path, tmp_path: Path, seed: int
) -> None:
    process = start(textures, "-o", "run", *OPTIONS, cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", 0)
    time.sleep(float(torch.rand((), generator=torch.Generator().manual_seed(seed))) * 2)
    process.kill()
    process.communicate()
    finetune(textures, tmp_path / "run", resume=True)
    assert_same_run(unbroken, tmp_path / "run")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_command_after_saving(
    unbroken: Path, textures: Path, tmp_path: Path, number: int, code: int
) -> None:
    process = start(textures, "-o", "run", *OPTIONS, cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", 2)
    process.send_signal(number)
    started = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 20
    assert (process.returncode, out) == (code, "")
    assert f"error: stopped by {signal.Signals(number).name} after step " in err
    assert "the training is saved, continue it with --resume" in err
    assert "Traceback" not in err
    finetune(textures, tmp_path / "run", resume=True)
    assert_same_run(unbroken, tmp_path / "run")


# --- several processes

SHARED = {"batch_size": 6, "epochs": 2, "head": "bilinear", "accumulate": 2, "clip_grad": 1.0}


def numbers(rows: list[tuple[str, ...]]) -> list[float]:
    return [float(value or 0) for row in rows for value in row]


def test_two_processes_have_the_loss_curve_of_one(textures: Path, tmp_path: Path) -> None:
    alone = finetune(textures, tmp_path / "one", settings=quick_settings(**SHARED))
    shared = finetune(textures, tmp_path / "two", settings=quick_settings(**SHARED), nproc=2)
    columns = ("step", "loss", "grad_norm", "val_loss", "val_top1", "top1")
    first, second = (read_rows(report.output, *columns) for report in (alone, shared))
    assert len(first) == len(second) == 6
    assert numbers(second) == pytest.approx(numbers(first), abs=1e-5)
    assert (shared.best_epoch, shared.best_top1) == (alone.best_epoch, alone.best_top1)
    assert "6 per update on cpu in float32, 2 processes" in (tmp_path / "two" / "log.txt").read_text()


@pytest.mark.slow
def test_an_error_of_the_processes_is_raised_with_their_message_and_exit_code(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(FbnError, match="expected a batch that 2 processes can share evenly, got 5") as caught:
        finetune(textures, tmp_path / "run", settings=quick_settings(batch_size=5), nproc=2)
    assert caught.value.exit_code == 2


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, in the order of their numbers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == pid:
                found.append(int(entry.name))
    return sorted(found)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the processes")
def test_the_death_of_one_process_ends_the_others_within_a_minute(textures: Path, tmp_path: Path) -> None:
    process = start(textures, "-o", "run", "--nproc", "2", "--epochs", "1000", "-b", "4", cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", 3)
    workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    started = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 60
    assert process.returncode == 1
    assert "error: process 1 of 2 (counted from 0) was killed by SIGKILL, and the other processes were stopped" in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_processes_are_not_started_twice(textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="leave it out under torchrun"):
        finetune(textures, tmp_path / "run", settings=FinetuneSettings(), nproc=2)


@pytest.mark.slow
def test_a_signal_lets_several_processes_save_and_one_may_go_on(textures: Path, tmp_path: Path) -> None:
    process = start(textures, "-o", "run", "--nproc", "2", "--epochs", "1000", "-b", "4", cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", 3)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert (process.returncode, out) == (143, "")
    assert "error: stopped by SIGTERM after step " in err
    assert "the training is saved, continue it with --resume" in err
    assert "Traceback" not in err
    rows = len(read_rows(tmp_path / "run", "step"))
    process = start(textures, "-o", "run", "--resume", cwd=tmp_path)
    wait_for_rows(process, tmp_path / "run", rows + 2)
    process.kill()
    _, err = process.communicate()
    assert "of 2 processes: the same images in the same order, but other roundings" in err


@pytest.mark.slow
def test_torchrun_starts_the_processes_as_well(textures: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    (tmp_path / "fbn.py").write_text("from birdnet_cli.cli.app import main\n\nmain()\n")
    options = [option for key, value in SHARED.items() for option in ("--set", f"finetune.{key}={value}")]
    done = subprocess.run(
        [*torchrun, "fbn.py", "finetune", str(textures), "-o", "two", *QUICK, *options],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # One process speaks for both.
    assert done.stdout.count("updates; best validation") == 1
    alone = finetune(textures, tmp_path / "one", settings=quick_settings(**SHARED))
    first, second = (read_rows(run, "loss", "val_loss") for run in (alone.output, tmp_path / "two"))
    assert numbers(second) == pytest.approx(numbers(first), abs=1e-5)
