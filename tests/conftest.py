"""Fixtures that every part of the suite may use."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from torch import Tensor

from tests.chromium import Chromium, find_chromium
from tests.faults.cases import summarize

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    # Compiled once for all runs of the suite and all processes that it starts, and again only when they change.
    cache = getattr(config, "cache", None)
    if cache is not None:
        os.environ.setdefault("FBN_CACHE_DIR", str(cache.mkdir("fbn").absolute()))
    if "CXX" not in os.environ and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        # The warning that there is no compiler would be an error in whichever test comes first.
        os.environ.setdefault("FBN_OPS", "reference")


@pytest.fixture(scope="session", autouse=True)
def random_weights_drawn_once() -> Iterator[None]:
    """Draw the random weights of a network once for all tests; VGG16's take 0.15 s, and nothing writes to them."""
    from birdnet_cli.core.backbones import weights

    drawn: dict[object, tuple[dict[str, Tensor], str]] = {}
    draw = weights.draw_random_tensors

    def draw_once(state: Mapping[str, Tensor], *, seed: int) -> tuple[dict[str, Tensor], str]:
        key = (seed, *((name, tensor.shape, tensor.dtype) for name, tensor in state.items()))
        if key not in drawn:
            drawn[key] = draw(state, seed=seed)
        tensors, digest = drawn[key]
        return dict(tensors), digest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "draw_random_tensors", draw_once)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (`../shared/data`)."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real data in ../shared/data beside the checkout, which is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A headless browser that all tests share; each opens pages of its own."""
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium), which is absent")
    with Chromium(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After a run of the whole suite, say how each numbered fault case fared."""
    outcomes: dict[str, set[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            test = report.nodeid.removeprefix("tests/").partition("[")[0]
            outcomes.setdefault(test, set()).add("failed" if outcome == "error" else outcome)
    rows = summarize(outcomes)
    if sum(result != "not run" for _, result in rows) < len(rows) - 5:
        return
    terminalreporter.section("fault cases")
    for case, result in rows:
        terminalreporter.line(f"{case.number:2}  {result:8}  {case.what}")
