"""Text -> a cell of a CSV that no spreadsheet computes, whatever the name of an image or a class is."""

__all__ = ["text_cell"]

# First characters that Excel, LibreOffice or Google Sheets read as the start of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_cell(text: str) -> str:
    """Return the text, with an apostrophe before it if a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(FORMULA) else text
