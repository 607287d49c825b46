"""The processes that read ahead: same results, bounded, and never left behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from birdnet_cli.core.data import Batch, Sample, Transform, load_batches
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.recipe import TransformSettings
from tests.core.data.loading.batches import content_of

TRANSFORM = Transform(TransformSettings(image_size=16))


def load(samples: Sequence[Sample], batches: Sequence[Sequence[int]], *, workers: int = 0) -> list[Batch]:
    return list(load_batches(samples, transform=TRANSFORM, batches=batches, workers=workers))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_result_does_not_depend_on_the_number_of_workers(samples: tuple[Sample, ...], workers: int) -> None:
    samples[2].path.write_bytes(b"text")
    order = [[5, 0, 2], [10], [], [2, 3, 4, 6], [1], [9, 8, 7]]
    assert content_of(load(samples, order, workers=workers)) == content_of(load(samples, order))


def test_result_does_not_depend_on_how_processes_start(samples: tuple[Sample, ...]) -> None:
    expected = content_of(load(samples, [[2, 1], [0]]))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn" if before != "spawn" else "fork", force=True)
    try:
        assert content_of(load(samples, [[2, 1], [0]], workers=1)) == expected
    finally:
        multiprocessing.set_start_method(before, force=True)


class Recording:
    """Leaves a file in a folder for each image that it is given, or raises an error."""

    shape = (1,)

    def __init__(self, folder: Path, *, error: Exception | None = None) -> None:
        self.folder = folder
        self.error = error

    def __call__(self, image: Image.Image) -> Tensor:
        if self.error is not None:
            raise self.error
        (self.folder / f"{image.width}-{torch.get_num_threads()}").touch()
        return torch.tensor([image.width])


def test_workers_read_a_bounded_number_of_batches_ahead_on_one_thread_each(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    batches = [[number] for number in range(len(samples))]
    loading = load_batches(samples, transform=Recording(marks), batches=batches, workers=1)
    next(loading)
    time.sleep(0.5)
    # One is here, two are ready.
    assert sorted(path.name for path in marks.iterdir()) == ["20-1", "21-1", "22-1"]
    loading.close()


def test_abandoned_loading_leaves_no_process_behind(samples: tuple[Sample, ...]) -> None:
    loading = load_batches(samples, transform=TRANSFORM, batches=[[0]] * 20, workers=2)
    next(loading)
    assert len(multiprocessing.active_children()) == 2
    loading.close()
    assert multiprocessing.active_children() == []


def test_no_more_processes_start_than_there_are_batches(samples: tuple[Sample, ...]) -> None:
    loading = load_batches(samples, transform=TRANSFORM, batches=[[0]], workers=3)
    next(loading)
    assert len(multiprocessing.active_children()) == 1
    loading.close()


@pytest.mark.parametrize("kind", [RuntimeError, OSError])
@pytest.mark.parametrize("workers", [0, 1])
def test_fault_of_the_program_is_taken_for_no_bad_image_and_no_dead_process(
    samples: tuple[Sample, ...], tmp_path: Path, workers: int, kind: type[Exception]
) -> None:
    failing = Recording(tmp_path, error=kind("a fault in the transform"))
    with pytest.raises(kind, match="a fault in the transform"):
        list(load_batches(samples, transform=failing, batches=[[0]], workers=workers))


def go_on_after_a_death(loading: Iterator[Batch], *, busy: bool) -> None:
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)  # type: ignore[arg-type]
    if busy:
        time.sleep(10)
    list(loading)


@pytest.mark.parametrize("busy", [False, True], ids=["while waiting", "while the caller works"])
def test_killed_worker_is_an_error_with_advice(samples: tuple[Sample, ...], busy: bool) -> None:
    loading = load_batches(samples, transform=TRANSFORM, batches=[[0]] * 2000, workers=2)
    next(loading)
    started = time.monotonic()
    with pytest.raises(FbnError, match=r"a process that reads images died, .*--workers 0$") as caught:
        go_on_after_a_death(loading, busy=busy)
    # A fraction of a second, but for a machine that is busy with other work.
    assert time.monotonic() - started < 9
    loading.close()
    assert multiprocessing.active_children() == [], caught


def test_death_is_reported_after_readers_that_ended_in_the_order_they_began(samples: tuple[Sample, ...]) -> None:
    batches = [[0]] * 2000
    first, second, third = (load_batches(samples, transform=TRANSFORM, batches=batches, workers=1) for _ in range(3))
    next(first)
    next(second)
    first.close()
    second.close()
    next(third)
    started = time.monotonic()
    with pytest.raises(FbnError, match="a process that reads images died"):
        go_on_after_a_death(third, busy=True)
    assert time.monotonic() - started < 9
    third.close()


@pytest.mark.parametrize(
    "said",
    [
        "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)",
        "unable to resize file </torch_1> to the right size: File too large (27)",
    ],
)
def test_full_shared_memory_is_an_error_with_advice(
    samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def refuse(self: Tensor) -> Tensor:
        raise RuntimeError(said)

    monkeypatch.setattr(Tensor, "share_memory_", refuse)
    with pytest.raises(FbnError, match=r"^shared memory \(/dev/shm\) is full: lower --workers or --batch-size"):
        load(samples, [[0]], workers=1)


INTERRUPTED = """
import sys
from pathlib import Path
from birdnet_cli.core.data import Transform, load_batches, open_dataset
from birdnet_cli.core.recipe import TransformSettings
dataset = open_dataset(Path(sys.argv[1]))
transform = Transform(TransformSettings(image_size=16))
for batch in load_batches(dataset.samples, transform=transform, batches=[[0]] * 10**6, workers=2):
    print("ready", flush=True)
"""


def test_interrupt_of_the_process_group_ends_program_and_workers(samples: tuple[Sample, ...]) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(samples[0].path.parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        # Started in the background, a test run ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            os.killpg(program.pid, signal.SIGINT)
            # Workers hold the pipes too, so this waits for the last of them.
            _, errors = program.communicate(timeout=20)
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    assert program.returncode in {1, -signal.SIGINT}
    assert errors.count(b"Traceback") == 1
    assert errors.rstrip().endswith(b"KeyboardInterrupt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_while_processes_start_is_delivered_once_they_have(
    samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    class ArrivedError(Exception):
        pass

    def arrive(_number: int, _frame: object) -> None:
        raise ArrivedError

    started = _MultiProcessingDataLoaderIter.__init__

    def interrupted(self: object, *arguments: object) -> None:
        os.kill(os.getpid(), number)
        started(self, *arguments)

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "__init__", interrupted)
    before = signal.signal(number, arrive)
    try:
        with pytest.raises(ArrivedError):
            load(samples, [[0], [1]], workers=1)
    finally:
        signal.signal(number, before)
    gc.collect()
    assert multiprocessing.active_children() == []
