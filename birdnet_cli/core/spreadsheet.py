"""Text that becomes a cell of a CSV: never a formula, whatever an image or a class is called."""

__all__ = ["text_cell"]

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_cell(text: str) -> str:
    """Return the text, with an apostrophe before it if a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(FORMULA) else text
