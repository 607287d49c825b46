"""How far a long call has come, reported to its caller; the core itself never prints."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

__all__ = ["Advance", "FractionStages", "Progress", "SilentProgress"]


class Advance(Protocol):
    """Reports finished units of the current stage."""

    def __call__(self, units: int, /) -> None:
        """Add `units` to the finished units of the stage."""


class Progress(Protocol):
    """The interface through which a caller of the core follows its work."""

    def stage(self, title: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units, such as images; call the yielded function with the number just finished."""
        ...

    def note(self, text: str) -> None:
        """Take a line for the user, such as a choice that was made or a warning."""
        ...


class SilentProgress:
    """Discards every report; the default of the Python API."""

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """Open a stage whose units are discarded."""
        yield lambda _units: None

    def note(self, text: str) -> None:
        """Drop the line."""


class FractionStages(ExitStack):
    """Turns calls with a stage's title and its finished fraction into stages of a progress, in percent."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.title = ""
        self.percent = 0
        self.advance: Advance | None = None

    def __call__(self, title: str, fraction: float) -> None:
        """Report the finished fraction, 0..1, of the stage `title`; a new title ends the previous stage."""
        if title != self.title:
            self.close()
            self.title, self.percent = title, 0
            self.advance = self.enter_context(self.progress.stage(title, total=100, unit="%"))
        percent = int(100 * fraction)
        if self.advance is not None and percent > self.percent:
            self.advance(percent - self.percent)
            self.percent = percent
