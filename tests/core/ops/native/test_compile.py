"""From a plan to a library: what is left on disk, after success, failure, a kill and a race."""

import ctypes
import multiprocessing
import multiprocessing.process
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.errors import KernelError, UsageError
from birdnet_cli.core.ops.native import KernelSources, obtain_library, plan_build, read_sources
from birdnet_cli.core.ops.native.store import find_built
from tests.core.ops.native.conftest import PLAIN
from tests.core.ops.native.processes import run_python

Program = Callable[[str, str], Path]

# Without CAP_DAC_OVERRIDE, with which root writes into read-only folders; others have never had it.
OBEDIENT = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", os.environ["TEST_SCRIPT"]])
"""

# Builds the sources in TEST_CSRC, prints where they are, changes them and tries again.
BUILD_TWICE = """
import os
from pathlib import Path
from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native import obtain_library, plan_build, read_sources
folder = Path(os.environ["TEST_CSRC"])
print(obtain_library(plan_build(read_sources("cpu", folder)), print).path)
(folder / "cpu" / "answer_kernel.cpp").write_text("int changed;")
try: obtain_library(plan_build(read_sources("cpu", folder)), lambda _: None)
except KernelError as error: print(error)
"""

# A compiler that tells its version at once.
TELLING = 'case "$*" in *--version*) exec {compiler} --version;; esac'

INTERRUPTED = 130

pytestmark = [
    pytest.mark.usefixtures("compiler"),
    # Of the few threads that a test run has, none holds a lock that a build takes.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def sources(folder: Path) -> KernelSources:
    found = read_sources("cpu", folder)
    assert found is not None
    return found


def build(folder: Path) -> Path:
    return obtain_library(plan_build(sources(folder)), lambda _: None).path


def build_elsewhere(folder: Path, cxx: Path) -> "multiprocessing.process.BaseProcess":
    """Start a process that builds with another compiler."""

    def run() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ["CXX"] = str(cxx)
        try:
            build(folder)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


def answer(library: Path) -> int:
    result: int = ctypes.CDLL(str(library)).answer()
    return result


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        # A zombie has nobody yet who asks how it ended.
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_old(folder: Path) -> None:
    """Let the last change of a folder lie an hour back."""
    past = time.time() - 3600
    os.utime(folder, (past, past))


def test_a_build_leaves_one_folder_with_a_library_that_works(csrc: Path, store: Path) -> None:
    library = build(csrc)
    assert answer(library) == 42
    assert [path.name for path in store.iterdir()] == [plan_build(sources(csrc)).address]
    assert sorted(path.name for path in library.parent.iterdir()) == ["_C_cpu.json", "_C_cpu.so"]


def test_the_record_says_how_it_was_built(csrc: Path) -> None:
    plan = plan_build(sources(csrc))
    build(csrc)
    found = find_built(plan.address, "cpu")
    assert found is not None
    assert (found.device, found.tool, found.flags, found.log) == ("cpu", plan.tool, plan.flags, "")
    assert found.seconds > 0


def test_units_of_every_folder_are_in_the_library_even_where_names_have_blanks(csrc: Path) -> None:
    (csrc / "cpu" / "a folder").mkdir()
    (csrc / "cpu" / "a folder" / "two words$.cpp").write_text('#include "cpu/three.h"\nint three() { return THREE; }')
    (csrc / "cpu" / "three.h").write_text("#define THREE 3")
    (csrc / "cpu" / "answer_kernel.cpp").write_text(f"int three();\n{PLAIN.replace('42', 'three()')}")
    assert answer(build(csrc)) == 3


def test_what_is_built_already_is_not_built_again(csrc: Path) -> None:
    said: list[str] = []
    plan = plan_build(sources(csrc))
    first = obtain_library(plan, said.append)
    assert said == [f"compiling the cpu kernels with {plan.tool}, once"]
    assert obtain_library(plan, said.append) == first
    assert len(said) == 1


def test_a_warning_of_the_compiler_is_kept(csrc: Path) -> None:
    (csrc / "cpu" / "unused.cpp").write_text("static int unused() { return 1; }")
    log = obtain_library(plan_build(sources(csrc)), lambda _: None).log
    assert "defined but not used" in log
    assert "cpu/unused.cpp" in log


def test_an_error_ends_with_what_the_compiler_said_and_leaves_nothing(csrc: Path, store: Path) -> None:
    (csrc / "cpu" / "wrong.cpp").write_text("int wrong = missing;")
    with pytest.raises(KernelError) as caught:
        build(csrc)
    assert "fails to compile the cpu kernels" in caught.value.reason
    assert "cpu/wrong.cpp:1:13: error: 'missing' was not declared" in caught.value.log
    assert caught.value.log.splitlines()[-1] in str(caught.value).splitlines()[-1]
    assert "ninja" not in str(caught.value)
    assert list(store.iterdir()) == []


def test_a_message_holds_the_last_lines_only(csrc: Path) -> None:
    (csrc / "cpu" / "wrong.cpp").write_text("".join(f"int a{i} = missing{i};\n" for i in range(30)))
    with pytest.raises(KernelError) as caught:
        build(csrc)
    assert len(caught.value.log.splitlines()) > 30
    assert len(str(caught.value).splitlines()) == 1 + KernelError.LAST_LINES


def test_a_symbol_that_no_library_has_is_an_error_of_the_build(csrc: Path) -> None:
    (csrc / "cpu" / "wrong.cpp").write_text("int absent(); int use() { return absent(); }")
    with pytest.raises(KernelError, match=r"undefined reference to .absent\(\)"):
        build(csrc)


@pytest.mark.parametrize("jobs", ["0", "two", "-1"])
def test_max_jobs_must_be_a_number(csrc: Path, monkeypatch: pytest.MonkeyPatch, jobs: str) -> None:
    monkeypatch.setenv("MAX_JOBS", jobs)
    with pytest.raises(UsageError, match=f"MAX_JOBS={jobs}: expected a number"):
        build(csrc)


def test_max_jobs_limits_how_many_compilers_run(
    csrc: Path, monkeypatch: pytest.MonkeyPatch, program: Program, compiler: str, tmp_path: Path
) -> None:
    # Each notes how many run at the moment when it starts.
    busy = tmp_path / "busy"
    busy.mkdir()
    monkeypatch.setenv("CXX", str(program("c++", f"""
        touch {busy}/$$; ls {busy} | wc -l >> {tmp_path}/counts; sleep 0.1
        {compiler} "$@"; code=$?; rm {busy}/$$; exit $code""")))  # fmt: skip
    monkeypatch.setenv("MAX_JOBS", "1")
    for index in range(3):
        (csrc / "cpu" / f"more{index}.cpp").write_text(f"int more{index};")
    build(csrc)
    assert set((tmp_path / "counts").read_text().split()) == {"1"}


def test_a_store_that_cannot_be_made_is_an_error_that_says_what_to_do(
    csrc: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FBN_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(
        KernelError, match=r"cannot build the cpu kernels in .*file/ops: .*; name a folder .* FBN_CACHE_DIR"
    ):
        build(csrc)


@pytest.mark.skipif(sys.platform != "linux", reason="drops a capability of Linux")
def test_a_read_only_store_serves_what_it_holds_and_refuses_to_build(csrc: Path, store: Path) -> None:
    library = build(csrc)
    store.chmod(0o555)
    try:
        served, refused = run_python(OBEDIENT, TEST_CSRC=str(csrc), TEST_SCRIPT=BUILD_TWICE).splitlines()
    finally:
        store.chmod(0o755)
    assert served == str(library)
    assert "Permission denied" in refused
    assert "name a folder that can be written, with free space, in FBN_CACHE_DIR" in refused


def test_a_killed_build_does_not_hinder_the_next(
    csrc: Path, store: Path, program: Program, compiler: str, tmp_path: Path
) -> None:
    version = TELLING.format(compiler=compiler)
    started, release = tmp_path / "started", tmp_path / "release"
    waiting = program("c++", f"{version}\ntouch {started}\nwhile [ ! -e {release} ]; do sleep 0.05; done; exit 1")
    process = build_elsewhere(csrc, waiting)
    try:
        # Killed earlier, its child that is to become ninja may hold the folder's lock for another moment.
        wait_for(started.exists)
        process.kill()
        process.join()
        (left,) = store.iterdir()
        # The compiler of the killed build still runs, but its folder is old and unlocked, and so it is removed.
        make_old(left)
        assert answer(build(csrc)) == 42
        assert [path.name for path in store.iterdir()] == [plan_build(sources(csrc)).address]
    finally:
        release.touch()


def test_a_build_in_progress_is_not_cleaned_up_by_another(
    csrc: Path, store: Path, program: Program, compiler: str, tmp_path: Path
) -> None:
    version = TELLING.format(compiler=compiler)
    waiting = program("c++", f'{version}\nwhile [ ! -e {tmp_path}/release ]; do sleep 0.05; done; exec {compiler} "$@"')
    process = build_elsewhere(csrc, waiting)
    try:
        wait_for(lambda: list(store.glob(".*.tmp/work/build.ninja")))
        (busy,) = store.iterdir()
        make_old(busy)
        other = tmp_path / "other"
        (other / "cpu").mkdir(parents=True)
        (other / "cpu" / "one_kernel.cpp").write_text("int one;")
        build(other)
        assert busy.is_dir()
    finally:
        (tmp_path / "release").touch()
    process.join(timeout=120)
    assert process.exitcode == 0
    assert len(list(store.iterdir())) == 2


def test_two_processes_that_build_at_once_both_succeed(
    csrc: Path, store: Path, program: Program, compiler: str, tmp_path: Path
) -> None:
    # Neither compiles before both have started to.
    started = tmp_path / "started"
    started.mkdir()
    meeting = program("c++", f"""
        {TELLING.format(compiler=compiler)}
        touch {started}/$$; while [ $(ls {started} | wc -l) -lt 2 ]; do sleep 0.02; done
        exec {compiler} "$@" """)  # fmt: skip
    processes = [build_elsewhere(csrc, meeting) for _ in range(2)]
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    (folder,) = store.iterdir()
    assert answer(folder / "_C_cpu.so") == 42


def test_an_interrupt_ends_the_compilers_and_leaves_nothing(
    csrc: Path, store: Path, program: Program, compiler: str, tmp_path: Path
) -> None:
    version = TELLING.format(compiler=compiler)
    pid = tmp_path / "pid"
    waiting = program("c++", f"{version}\necho $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 300")
    process = build_elsewhere(csrc, waiting)
    wait_for(pid.exists)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(timeout=60)
    assert process.exitcode == INTERRUPTED
    assert not is_running(int(pid.read_text()))
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "no record", "foreign record"])
def test_a_damaged_library_is_built_again(csrc: Path, damage: str) -> None:
    library = build(csrc)
    if damage == "truncated":
        library.write_bytes(library.read_bytes()[:100])
    elif damage == "no record":
        library.with_suffix(".json").unlink()
    else:
        library.with_suffix(".json").write_text("[]")
    assert answer(build(csrc)) == 42
