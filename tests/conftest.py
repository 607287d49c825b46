"""Fixtures that every part of the suite may use."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (`../shared/data`)."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real data in ../shared/data beside the checkout, which is absent")
    return SHARED_DATA
