"""Class names for people."""

import pytest

from birdnet_cli.core.report.class_names import readable_names


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (("001.Fox_Sparrow", "017.Song_Sparrow"), ("Fox Sparrow", "Song Sparrow")),
        (("Fox_Sparrow", "017.Song_Sparrow"), ("Fox Sparrow", "017.Song Sparrow")),
        (("1.a", "2.a"), ("1.a", "2.a")),
        (("a_b", "a b"), ("a_b", "a b")),
        (("1.", "2.x"), ("1.", "2.x")),
        (("_", "x"), ("_", "x")),
        ((), ()),
    ],
)
def test_names_lose_numbers_and_underscores_unless_two_would_become_equal(
    classes: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert readable_names(classes) == names
