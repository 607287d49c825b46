"""The selection of cases that hold every pair of parameters' values, and the mark that applies it to a test."""

import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import pytest

from tests.core.ops.pairwise import select_pairs

CONFTEST = """
import pytest
from tests.core.ops.pairwise import mark_the_rest_slow

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    mark_the_rest_slow(items)

@pytest.fixture(params=["plain", "vectors"])
def instruction_set(request):
    return request.param
"""

TESTS = """
import pytest

@pytest.mark.pairwise
@pytest.mark.parametrize("a", ["a0", "a1"])
@pytest.mark.parametrize("b", [["b0"], ["b1"]], ids=["b0", "b1"])
@pytest.mark.parametrize("c", ["c0", "c1"])
def test_pairs(instruction_set, a, b, c): ...

@pytest.mark.parametrize("a", ["a0", "a1"])
@pytest.mark.parametrize("b", ["b0", "b1"])
def test_product(instruction_set, a, b): ...
"""


def pairs_of(cases) -> set[object]:
    return {pair for case in cases for pair in combinations(enumerate(case), 2)}


@pytest.mark.parametrize("sizes", [(4, 7, 2, 2), (11, 2, 3), (3, 3, 3, 3, 3), (5, 4), (2, 2, 2)], ids=str)
def test_every_pair_of_values_is_chosen(sizes):
    cases = list(product(*map(range, sizes)))

    chosen = [cases[index] for index in select_pairs(cases)]

    assert pairs_of(chosen) == pairs_of(cases)


@pytest.mark.parametrize(("sizes", "most"), [((4, 7, 2, 2), 28), ((11, 2, 3), 33), ((3, 3, 3, 3, 3), 18)], ids=str)
def test_few_cases_are_chosen(sizes, most):
    assert len(select_pairs(list(product(*map(range, sizes))))) <= most


def test_pairs_that_no_case_holds_are_not_asked_for():
    cases = [(a, b, c) for a, b, c in product(range(3), repeat=3) if not a == b == 1]

    chosen = [cases[index] for index in select_pairs(cases)]

    assert pairs_of(chosen) == pairs_of(cases)


@pytest.mark.parametrize("sizes", [(3,), (2, 2)], ids=["one", "two"])
def test_all_cases_of_up_to_two_parameters_are_chosen(sizes):
    cases = list(product(*map(range, sizes)))

    assert select_pairs(cases) == list(range(len(cases)))


def test_of_a_test_marked_pairwise_each_implementation_runs_every_pair_and_the_rest_is_slow(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_two.py").write_text(TESTS)

    quick, slow = collect(tmp_path, "not slow"), collect(tmp_path, "slow")

    for implementation in ("plain", "vectors"):
        ids = [test.split("[")[1].rstrip("]").split("-") for test in quick if f"test_pairs[{implementation}" in test]
        assert len(ids) == 4
        assert len(pairs_of(values[1:] for values in ids)) == 12
    assert sum("test_product" in test for test in quick) == 8
    assert len(slow) == 8
    assert all("test_pairs" in test for test in slow)


def collect(folder: Path, marks: str) -> list[str]:
    """Names of the tests in a folder that `-m marks` selects."""
    options = ["--collect-only", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-m", marks]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", "--rootdir", folder, folder],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]
