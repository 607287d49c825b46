"""Ops find their kernels by themselves, on their first call; none of it happens at import."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.core.ops.native.processes import HALVE, HALVE_KERNEL, run_python

needs_compiler = pytest.mark.skipif(
    "CXX" not in os.environ and not any(map(shutil.which, ("c++", "g++", "clang++"))),
    reason="needs a C++ compiler, which is not on PATH",
)

WITH_A_COMPILER = """
from birdnet_cli.core.ops.library import LIBRARY

facts = {}
lock = load._locks.setdefault(os.getpid(), threading.RLock())
held, release = threading.Event(), threading.Event()

def answer_of_child():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, str(halve(torch.ones(1)).item()).encode())
        os._exit(0)
    os.close(writing)
    return float(os.read(reading, 100))

# A thread that is in the middle of loading does not exist in the child.
holder = threading.Thread(target=lambda: (lock.acquire(), held.set(), release.wait(), lock.release()))
holder.start(); held.wait()
facts["child, before"] = answer_of_child()
release.set(); holder.join()

facts["threads"] = []
barrier = threading.Barrier(4)
def call():
    barrier.wait()
    facts["threads"].append(halve(torch.ones(1)).item())
threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()

facts["child, after"] = answer_of_child()
torch.library.register_autograd("fbn::halve", lambda ctx, grad: grad * 5, lib=LIBRARY)
x = torch.ones(1, requires_grad=True)
y = halve(x)
y.backward()
facts["autograd"] = [y.item(), x.grad.item()]
print(json.dumps(facts))
"""

SPARSE_FIRST = """
sparse = [halve(torch.ones(1).to_sparse()).to_dense().item() for _ in range(2)]
print(json.dumps([sparse, halve(torch.ones(1)).item()]))
"""

COMPILED_FIRST = """
x = torch.tensor([4.0, 6.0])
print(json.dumps(torch.compile(lambda x: halve(x) + 1, fullgraph=True, backend="aot_eager")(x).tolist()))
"""

WITHOUT_A_COMPILER = """
import birdnet_cli.cli.app, birdnet_cli.core.engine, birdnet_cli.core.ops.kernel_builds, birdnet_cli.core.ops
from birdnet_cli.core.ops import library

facts = {"files after import": sorted(os.listdir(os.environ["FBN_CACHE_DIR"])), "tried at import": list(load._states)}
asked = []
load_kernels = library.load_kernels
library.load_kernels = lambda device: (asked.append(device), load_kernels(device))[1]
errors = []
for _ in range(2):
    try: halve(torch.ones(1))
    except Exception as error: errors.append(f"{type(error).__name__}: {error}")
facts["errors"] = errors
os.environ["FBN_OPS"] = "auto"
facts["answers"] = [halve(torch.ones(1)).item() for _ in range(3)]
facts["asked"] = asked
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def csrc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of a kernel that halves; its reference triples."""
    folder = tmp_path_factory.mktemp("halve") / "csrc"
    (folder / "cpu").mkdir(parents=True)
    (folder / "cpu" / "halve_kernel.cpp").write_text(HALVE_KERNEL)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first process that wants the kernel builds it for the others."""
    return tmp_path_factory.mktemp("cache")


def run(script: str, csrc: Path, cache: Path, **environment: str) -> Any:
    environment = {"TEST_CSRC": str(csrc), "FBN_CACHE_DIR": str(cache), "FBN_OPS": "native"} | environment
    return json.loads(run_python(HALVE + script, **environment))


@pytest.fixture(scope="module")
def facts(csrc: Path, cache: Path) -> dict[str, Any]:
    """What happened in a process with a compiler."""
    found: dict[str, Any] = run(WITH_A_COMPILER, csrc, cache)
    return found


@pytest.fixture(scope="module")
def bare_facts(csrc: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in a process whose only compiler fails, and leaves a trace wherever it is called."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "cache").mkdir()
    compiler = folder / "broken-c++"
    compiler.write_text(f"#!/bin/sh\ntouch {folder}/cache/called\nexit 1\n")
    compiler.chmod(0o755)
    found: dict[str, Any] = run(WITHOUT_A_COMPILER, csrc, folder / "cache", CXX=str(compiler))
    return found


def test_importing_everything_compiles_nothing_and_calls_no_compiler(bare_facts: dict[str, Any]) -> None:
    assert (bare_facts["files after import"], bare_facts["tried at import"]) == ([], [])


def test_native_mode_raises_on_every_call(bare_facts: dict[str, Any]) -> None:
    assert len(bare_facts["errors"]) == 2
    for error in bare_facts["errors"]:
        assert error.startswith("KernelError: FBN_OPS=native, but no cpu kernels: ")


def test_the_reference_runs_where_there_is_no_kernel_and_asks_no_more(bare_facts: dict[str, Any]) -> None:
    assert bare_facts["answers"] == [3.0, 3.0, 3.0]
    # Twice in native mode, once in auto mode.
    assert bare_facts["asked"] == ["cpu"] * 3


@needs_compiler
def test_the_first_call_of_every_thread_runs_the_kernel(facts: dict[str, Any]) -> None:
    assert facts["threads"] == [0.5] * 4


@needs_compiler
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent(facts: dict[str, Any]) -> None:
    assert facts["child, before"] == 0.5


@needs_compiler
def test_a_forked_process_keeps_what_was_loaded(facts: dict[str, Any]) -> None:
    assert facts["child, after"] == 0.5


@needs_compiler
def test_gradients_are_those_that_python_registered(facts: dict[str, Any]) -> None:
    assert facts["autograd"] == [0.5, 5.0]


@needs_compiler
def test_a_layout_that_the_kernel_does_not_take_goes_to_the_reference(csrc: Path, cache: Path) -> None:
    assert run(SPARSE_FIRST, csrc, cache) == [[3.0, 3.0], 0.5]


@needs_compiler
@pytest.mark.slow
def test_the_first_call_may_be_in_a_compiled_graph(csrc: Path, cache: Path) -> None:
    assert run(COMPILED_FIRST, csrc, cache) == [3.0, 4.0]
