"""The table of fault cases is complete, and names tests that exist."""

import ast
from pathlib import Path

from tests.faults.cases import read_cases, summarize

TESTS = Path(__file__).parents[1]


def test_all_55_cases_are_there_once_and_in_order() -> None:
    assert [case.number for case in read_cases()] == list(range(1, 56))


def test_every_test_that_is_named_exists() -> None:
    known: dict[str, set[str]] = {}
    for case in read_cases():
        assert case.tests
        for test in case.tests:
            file, _, name = test.partition("::")
            if file not in known:
                body = ast.parse((TESTS / file).read_text(encoding="utf-8")).body
                known[file] = {node.name for node in body if isinstance(node, ast.FunctionDef)}
            assert name in known[file], f"case {case.number}: {test}"


def test_a_case_is_as_good_as_its_worst_test() -> None:
    everything = {test: ["passed", "skipped"] for case in read_cases() for test in case.tests}
    assert {result for _, result in summarize(everything)} == {"passed"}
    first, second, third = (case.tests[-1] for case in read_cases()[:3])
    worse = everything | {first: ["passed", "failed"], second: ["skipped"], third: []}
    assert [result for _, result in summarize(worse)][:4] == ["failed", "skipped", "not run", "passed"]
