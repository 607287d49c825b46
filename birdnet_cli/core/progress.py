"""How the engine tells whoever called it how far it has come; it never prints."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

__all__ = ["Advance", "FractionStages", "Progress", "SilentProgress"]


class Advance(Protocol):
    """Reports finished units of the current stage."""

    def __call__(self, units: int, /) -> None:
        """Add `units` to what is done."""


class Progress(Protocol):
    """What a caller of the engine may implement to follow it."""

    def stage(self, title: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units, such as images; the value is called with the number just finished."""
        ...

    def note(self, text: str) -> None:
        """Take one line that the user should see: a choice made, a warning."""
        ...


class SilentProgress:
    """Follows nothing; the default of the Python API."""

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """Open a stage that nobody watches."""
        yield lambda _units: None

    def note(self, text: str) -> None:
        """Drop the line."""


class FractionStages(ExitStack):
    """Turns calls with (stage, finished fraction) into stages of a progress, in percent."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.title = ""
        self.percent = 0
        self.advance: Advance | None = None

    def __call__(self, title: str, fraction: float) -> None:
        """Take the finished fraction of a stage; another title ends the stage before."""
        if title != self.title:
            self.close()
            self.title, self.percent = title, 0
            self.advance = self.enter_context(self.progress.stage(title, total=100, unit="%"))
        percent = int(100 * fraction)
        if self.advance is not None and percent > self.percent:
            self.advance(percent - self.percent)
            self.percent = percent
