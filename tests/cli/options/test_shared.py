"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from birdnet_cli.cli import options
from birdnet_cli.core.data import list_formats
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]

WRITERS = [
    ("predict", "a.jpg", "-o"),
    ("evaluate", "data", "--json"),
    ("evaluate", "data", "--report"),
    ("compare", "a", "b", "--json"),
    ("neighbors", "a.jpg", "--cache", "a.h5", "--sheet"),
    ("data", "split", "data", "-o"),
]


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_a_result_that_could_not_be_written_is_refused_before_the_work(
    fbn: Fbn, tmp_path: Path, command: tuple[str, ...]
) -> None:
    in_no_folder = fbn(*command, tmp_path / "absent" / "a.csv")
    assert in_no_folder.code == 2
    assert "there is no folder" in in_no_folder.err
    a_folder = fbn(*command, tmp_path)
    assert a_folder.code == 2
    assert "is a folder" in " ".join(a_folder.err.split())


def test_the_formats_of_data_are_those_of_the_registry() -> None:
    choices, _ = get_args(options.DataFormat)
    assert set(get_args(choices)) == {"auto", *list_formats()}
