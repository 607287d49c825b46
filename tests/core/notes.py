"""A progress that keeps its notes and the sizes of its stages."""

from contextlib import AbstractContextManager, nullcontext

from birdnet_cli.core.progress import Advance

__all__ = ["Notes"]


class Notes:
    """Keeps every note, and the total of each stage by its title."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.totals: dict[str, int] = {}

    def stage(self, title: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        self.totals[title] = total
        return nullcontext(lambda _units: None)

    def note(self, text: str) -> None:
        self.lines.append(text)
