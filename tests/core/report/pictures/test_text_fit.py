"""Text is wrapped and shortened to a width in pixels."""

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from birdnet_cli.core.report.pictures.text_fit import shorten, wrap

FONT = ImageFont.load_default(13)


def test_long_name_is_wrapped_at_blanks_and_hyphens() -> None:
    assert wrap("Rufous-crowned_Finchling", FONT, 110) == ["Rufous-crowned", "Finchling"]
    assert wrap("Rufous-crowned_Finchling", FONT, 70) == ["Rufous-", "crowned…"]


def test_short_name_keeps_to_one_line() -> None:
    assert wrap("Wren", FONT, 110) == ["Wren"]
    assert wrap("Winter\nwren", FONT, 110) == ["Winter wren"]


def test_title_that_fits_is_left_alone() -> None:
    assert shorten("relu5_3 of VGG16", FONT, 300) == "relu5_3 of VGG16"


@given(st.text(st.characters(), max_size=60))
@settings(deadline=None, max_examples=150)
def test_any_name_fits_into_its_width(name: str) -> None:
    lines = wrap(name, FONT, 80)
    assert 1 <= len(lines) <= 2
    assert all(FONT.getlength(line) <= 80 for line in lines)


@given(st.text(st.characters(), max_size=60))
@settings(deadline=None, max_examples=100)
def test_a_shortened_text_fits_and_is_the_beginning_of_the_text(text: str) -> None:
    shown = shorten(text, FONT, 60)
    plain = " ".join(text.split())
    assert FONT.getlength(shown) <= 60
    assert shown == plain or (shown.endswith("…") and plain.startswith(shown[:-1]))
