"""A short form of the long extraction that `python -m tests.load` runs."""

from pathlib import Path

import pytest

from tests.load.endurance import extract_and_watch, write_images


@pytest.mark.slow
def test_thousands_of_images_are_extracted_with_every_bad_one_named(tmp_path: Path) -> None:
    bad = write_images(tmp_path / "data", 8_000)
    seen = extract_and_watch(tmp_path, 8_000)
    assert (seen.code, seen.failed, seen.listed) == (3, bad, bad)
    # Memory has not settled after so few images; the bound of the long form is 5 MB.
    assert seen.slope < 50e6
