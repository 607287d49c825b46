"""Copies of the files of an earlier version, and a command line that runs among them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import fbn
from tests.compat.inputs import set_times
from tests.compat.recorded import FOLDERS

__all__ = ["copied", "fbn"]


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """Copy the folder of a version to where `fbn` runs, with the images' recorded times, and return it."""

    def copy(version: str) -> Path:
        shutil.copytree(FOLDERS[version], tmp_path, dirs_exist_ok=True)
        set_times(tmp_path)
        return tmp_path

    return copy
