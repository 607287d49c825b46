"""A short form of the long extraction; `python -m tests.load` is the long one."""

from pathlib import Path

import pytest

from tests.load.endurance import extract_and_watch, write_images


@pytest.mark.slow
def test_thousands_of_images_are_extracted_with_every_bad_one_named(tmp_path: Path) -> None:
    bad = write_images(tmp_path / "data", 8_000)
    seen = extract_and_watch(tmp_path, 8_000)
    assert (seen.code, seen.failed, seen.listed) == (3, bad, bad)
    # So few images are gone before memory has settled; the long form has a bound of 5 MB.
    assert seen.slope < 50e6
