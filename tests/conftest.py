"""Fixtures that every part of the suite may use."""

import os
import shutil
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    # Compiled once for all runs of the suite and all processes that it starts, and again only when they change.
    cache = getattr(config, "cache", None)
    if cache is not None:
        os.environ.setdefault("FBN_CACHE_DIR", str(cache.mkdir("fbn").absolute()))
    if "CXX" not in os.environ and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        # The warning that there is no compiler would be an error in whichever test comes first.
        os.environ.setdefault("FBN_OPS", "reference")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (`../shared/data`)."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real data in ../shared/data beside the checkout, which is absent")
    return SHARED_DATA
