"""Pairwise selection from a product of parameters, and the mark `pairwise`, which makes it a test's default."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations

import pytest

__all__ = ["IMPLEMENTATIONS", "mark_the_rest_slow", "select_pairs"]

# Fixtures that choose an implementation of the ops. Cases of an implementation that cannot run here are skipped.
IMPLEMENTATIONS = ("implementation", "instruction_set", "kernels")


def select_pairs(cases: Sequence[Sequence[Hashable]]) -> list[int]:
    """Choose cases that together hold every pair of values of two parameters that any case holds.

    Greedy and deterministic: the next case is the one with the most pairs that no chosen case holds, the first such
    case among equals. Cases of a single parameter are all chosen.

    Args:
        cases: the values of one case's parameters, in the same order of parameters for every case.

    Returns:
        Indices into `cases`, ascending.
    """
    pairs = [set(combinations(enumerate(case), min(2, len(case)))) for case in cases]
    missing = set().union(*pairs)
    chosen = []
    while missing:
        best = max(range(len(cases)), key=lambda index: len(pairs[index] & missing))
        missing -= pairs[best]
        chosen.append(best)
    return sorted(chosen)


def mark_the_rest_slow(items: Sequence[pytest.Item]) -> None:
    """Mark as `slow` the cases that pairwise selection leaves out of each test marked `pairwise`.

    Each implementation has a selection of its own: it runs every pair of the other parameters' values, whichever other
    implementations this machine can run.
    """
    tests = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("pairwise"):
            # By identity, as a value need not be hashable: all cases share the objects that `parametrize` was given.
            values = {name: id(value) for name, value in item.callspec.params.items()}
            implementation = tuple(values.pop(name) for name in IMPLEMENTATIONS if name in values)
            tests[item.nodeid.partition("[")[0], implementation].append((tuple(values.values()), item))
    for test in tests.values():
        chosen = set(select_pairs([case for case, _ in test]))
        for index, (_, item) in enumerate(test):
            if index not in chosen:
                item.add_marker(pytest.mark.slow)
