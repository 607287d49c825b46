"""Fit text into a width in pixels, on one line or on two."""

from collections.abc import Sequence
from typing import TypeAlias

from PIL import ImageFont

__all__ = ["Font", "shorten", "wrap"]

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

NAME_LINES = 2


def shorten(text: str, font: Font, width: float) -> str:
    """Cut `text` to `width` pixels on one line; cut text ends in an ellipsis."""
    text = _plain(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, font: Font, width: int) -> list[str]:
    """Break `text` at spaces and hyphens into at most NAME_LINES lines of `width` pixels; each may be shortened."""
    lines: list[str] = []
    words = _plain(text.replace("_", " ")).replace("-", "- ").split(" ")
    while words and len(lines) < NAME_LINES - 1:
        count = len(words)
        while count > 1 and font.getlength(_joined(words[:count])) > width:
            count -= 1
        lines.append(shorten(_joined(words[:count]), font, width))
        words = words[count:]
    return [*lines, shorten(_joined(words), font, width)] if words else lines


def _joined(words: Sequence[str]) -> str:
    return " ".join(words).replace("- ", "-")


def _plain(text: str) -> str:
    """Return `text` with single spaces for any whitespace, and so on one line."""
    return " ".join(text.split())
