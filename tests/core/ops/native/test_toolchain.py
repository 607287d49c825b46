"""Finding the C++ compiler and ninja."""

from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.errors import KernelError
from birdnet_cli.core.ops.native.toolchain import find_compiler, find_ninja

Program = Callable[[str, str], Path]


def test_the_compiler_on_the_path_is_described_by_its_first_line(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program("clang++", "echo one; echo two")
    monkeypatch.setenv("PATH", str(path.parent))
    found = find_compiler()
    assert (found.command, found.version, found.program) == ((str(path),), "one", str(path))


def test_cxx_goes_before_the_path_and_may_name_a_wrapper(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("c++", "echo path")
    wrapper = program("cache", 'test "$1" = mine -a "$2" = -m64 && echo wrapped')
    monkeypatch.setenv("PATH", str(wrapper.parent))
    monkeypatch.setenv("CXX", "cache mine -m64")
    found = find_compiler()
    assert (found.command, found.version, found.program) == (("cache", "mine", "-m64"), "wrapped", "mine")


@pytest.mark.parametrize(
    ("cxx", "reason"),
    [
        ("", "no C++ compiler: none of c++, g++, clang++ is on PATH"),
        ("gone -O1", "CXX is 'gone -O1', which is not there"),
    ],
)
def test_without_a_compiler_the_error_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cxx: str, reason: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", cxx)
    with pytest.raises(KernelError) as caught:
        find_compiler()
    assert reason in caught.value.reason
    assert "apt install g++" in caught.value.remedy


@pytest.mark.parametrize("body", ["exit 1", "true"], ids=["fails", "says nothing"])
def test_a_compiler_that_does_not_work_is_an_error(
    program: Program, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setenv("CXX", str(program("broken", body)))
    with pytest.raises(KernelError, match=r"broken --version (fails|says nothing)"):
        find_compiler()


def test_ninja_is_found_without_being_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(find_ninja()).name == "ninja"
