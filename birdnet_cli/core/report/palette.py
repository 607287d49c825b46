"""The colours of pages and pictures, each as `#rrggbb`.

`render_variables` turns the colours of pages into the variables that `report.css` uses, such as `--ink`.
"""

from collections.abc import Mapping

__all__ = [
    "AGAINST", "CARD", "CORRECT", "DARK_PAGE", "EMPTY", "FAINT", "FOR", "INK", "LIGHT_PAGE", "PAPER", "WRONG",
    "render_variables",
]  # fmt: skip

# Green and red also differ in lightness, for readers who do not tell them apart by hue.
CORRECT, WRONG = "#1b7f5c", "#c23b22"
CARD = "#ffffff"

LIGHT_PAGE: Mapping[str, str] = {
    "paper": "#f6f4ee", "card": CARD, "ink": "#262522", "faint": "#66625a", "line": "#dfdbd0", "grid": "#ebe8df",
    "correct": CORRECT, "wrong": WRONG, "accent": "#1d5f8a", "shade": "#f0ede4",
}  # fmt: skip
DARK_PAGE: Mapping[str, str] = {
    "paper": "#171613", "card": "#201f1b", "ink": "#ece8df", "faint": "#a8a297", "line": "#3a3832", "grid": "#2d2b26",
    "correct": "#53c49d", "wrong": "#f1846d", "accent": "#7ab8e0", "shade": "#292722",
}  # fmt: skip

# Pictures: the ground, text, secondary text, and places without content.
PAPER, INK, FAINT, EMPTY = "#f4f1ea", "#2b2a28", "#77736b", "#ddd8cc"
# Evidence for and against a class: colour-blind readers tell orange from blue.
FOR, AGAINST = "#e66101", "#2c49a0"


def render_variables() -> str:
    """Return the CSS that defines the colours of a light page, and of a dark page where the reader prefers it."""
    return (
        f":root {{ color-scheme: light dark; {_declarations(LIGHT_PAGE)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_declarations(DARK_PAGE)} }} }}\n"
    )


def _declarations(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
