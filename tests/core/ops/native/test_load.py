"""Where a device's kernels come from, and what is said where there are none."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import KernelError, UnknownNameError
from birdnet_cli.core.ops.native import inspect_kernels, load_kernels, obtain_library, plan_build, read_sources
from birdnet_cli.core.ops.native.store import BuiltLibrary

Program = Callable[[str, str], Path]

pytestmark = pytest.mark.usefixtures("compiler", "csrc")


def build(csrc: Path) -> BuiltLibrary:
    sources = read_sources("cpu", csrc)
    assert sources is not None
    return obtain_library(plan_build(sources), lambda _: None)


@pytest.fixture
def counting(program: Program, compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes a line for every call but those for its version, which must not change."""
    path = program("c++", f"""
        case "$*" in *--version*) exec {compiler} --version;; esac
        echo "$@" >> {tmp_path}/calls; exec {compiler} "$@" """)  # fmt: skip
    monkeypatch.setenv("CXX", str(path))
    return tmp_path / "calls"


@pytest.fixture
def prebuilt(csrc: Path, tmp_path: Path) -> Path:
    """A library beside the package, as a wheel brings it, and sources that have changed since."""
    folder = build(csrc).path.parent
    (csrc / "cpu" / "answer_kernel.cpp").write_text("int changed;")
    return folder.rename(tmp_path / "package") / "_C_cpu.so"


def test_kernels_are_built_on_the_first_call_and_announced(
    csrc: Path, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = load_kernels("cpu")
    assert state.library is not None
    assert state.library.path.parent.parent == store
    assert caplog.messages == [f"compiling the cpu kernels with {state.library.tool}, once"]


def test_what_was_built_before_is_loaded_without_a_compiler_run(csrc: Path, counting: Path) -> None:
    library = build(csrc)
    counting.unlink()
    assert load_kernels("cpu").library == library
    assert not counting.exists()


def test_a_prebuilt_library_wins_and_needs_no_compiler(prebuilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    state = load_kernels("cpu")
    assert state.library is not None
    assert state.library.path == prebuilt


def test_a_prebuilt_library_that_cannot_be_loaded_gives_way_to_a_build(
    csrc: Path, store: Path, prebuilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_library(path: Path) -> None:
        if path == prebuilt:
            raise OSError("GLIBC_9.9 not found")

    monkeypatch.setattr(torch.ops, "load_library", load_library)
    state = load_kernels("cpu")
    assert state.library is not None
    assert state.library.path.parent.parent == store


def test_without_either_the_warning_says_both_reasons(prebuilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_library(_: Path) -> None:
        raise OSError("GLIBC_9.9 not found")

    monkeypatch.setattr(torch.ops, "load_library", load_library)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.warns(
        UserWarning, match=r"_C_cpu\.so cannot be loaded: GLIBC_9\.9 not found; no C\+\+ compiler: none of"
    ):
        load_kernels("cpu")


def test_a_missing_compiler_is_one_warning_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.warns(
        UserWarning, match="no cpu kernels, the slower reference runs instead: no C.. compiler: .*apt install"
    ):
        state = load_kernels("cpu")
    assert state.library is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_kernels("cpu") == state


def test_a_failed_build_is_tried_once_and_its_warning_ends_with_the_compilers_words(csrc: Path, counting: Path) -> None:
    (csrc / "cpu" / "wrong.cpp").write_text("int wrong = missing;")
    with pytest.warns(UserWarning, match="no cpu kernels") as caught:
        load_kernels("cpu")
    calls = counting.read_text()
    assert "'missing' was not declared in this scope" in str(caught[0].message)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_kernels("cpu")
    assert counting.read_text() == calls


def test_native_makes_a_failed_build_an_error_each_time_and_builds_once(
    csrc: Path, counting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FBN_OPS", "native")
    (csrc / "cpu" / "wrong.cpp").write_text("int wrong = missing;")
    for _ in range(2):
        with pytest.raises(KernelError, match=r"(?s)FBN_OPS=native, but no cpu kernels: .*'missing' was not declared"):
            load_kernels("cpu")
    assert sum("wrong.cpp" in call for call in counting.read_text().splitlines()) == 1


def test_native_makes_missing_sources_an_error(csrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_OPS", "native")
    (csrc / "cpu" / "answer_kernel.cpp").unlink()
    with pytest.raises(KernelError, match="there are no sources of cpu kernels; FBN_OPS=auto runs the reference"):
        load_kernels("cpu")


def test_missing_sources_are_no_reason_for_a_warning(csrc: Path) -> None:
    (csrc / "cpu" / "answer_kernel.cpp").unlink()
    assert load_kernels("cpu").reason == "there are no sources of cpu kernels"


@pytest.mark.usefixtures("prebuilt")
def test_reference_loads_and_builds_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.rmdir()
    monkeypatch.setenv("FBN_OPS", "reference")
    state = load_kernels("cpu")
    assert (state.library, state.reason) == (None, "FBN_OPS=reference")
    assert not store.exists()


def test_a_misspelt_mode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_OPS", "nativ")
    with pytest.raises(UnknownNameError, match="unknown FBN_OPS 'nativ': did you mean native"):
        load_kernels("cpu")


@pytest.mark.parametrize("device", ["meta", "mps", "xpu"])
def test_other_devices_are_answered_at_once_whatever_the_mode(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setenv("FBN_OPS", "native")
    assert load_kernels(device).library is None


def test_an_older_gpu_is_one_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "T4")
    with pytest.warns(
        UserWarning, match=r"no cuda kernels, .* sm_80 or newer on every visible GPU, but there is T4 \(sm_75\)"
    ):
        load_kernels("cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_kernels("cuda").library is None


def test_a_library_for_another_cuda_is_not_loaded(
    csrc: Path, prebuilt: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = prebuilt.with_suffix(".json")
    record.write_text(record.read_text().replace('"cuda": null', '"cuda": "99.0"'))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    state = load_kernels("cpu")
    assert state.library is not None
    assert state.library.path.parent.parent == store


def test_inspection_builds_nothing_and_settles_nothing(csrc: Path, store: Path) -> None:
    state = inspect_kernels("cpu")
    assert state.plan is not None
    assert not store.exists()
    assert load_kernels("cpu").library is not None


def test_inspection_of_a_broken_setup_neither_warns_nor_silences_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "no C++ compiler" in inspect_kernels("cpu").reason
    with pytest.warns(UserWarning, match="no C.. compiler"):
        load_kernels("cpu")


def test_inspection_finds_what_is_built(csrc: Path) -> None:
    library = build(csrc)
    assert inspect_kernels("cpu").library == library


def test_an_instruction_set_that_does_not_exist_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_CPU_CAPABILITY", "avx51")
    with pytest.raises(UnknownNameError, match="unknown FBN_CPU_CAPABILITY 'avx51': did you mean avx512"):
        load_kernels("cpu")
