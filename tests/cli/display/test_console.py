"""Progress on stderr: lines at intervals on a pipe, a bar on a terminal, notes alone when quiet."""

import io

import pytest
from rich.console import Console

from birdnet_cli.cli.display import console
from birdnet_cli.cli.display.console import ConsoleProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the display sees: its last element."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[-1])
    return now


def advance_by_hundredths(now: list[float], *, seconds_each: float) -> None:
    with ConsoleProgress().stage("extract", total=100, unit="images") as advance:
        for _ in range(100):
            now.append(now[-1] + seconds_each)
            advance(1)


def test_a_long_stage_on_a_pipe_is_a_line_per_tenth_with_rate_and_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    advance_by_hundredths(clock, seconds_each=1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "extract: 10 of 100 images, 1.0 images/s, 90 s left"
    assert len(lines) == 10


def test_a_faster_stage_has_a_line_every_two_seconds_at_most(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    advance_by_hundredths(clock, seconds_each=0.0625)
    assert [line.split(" of ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "extract: 32", "extract: 64", "extract: 96",
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_with_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "stderr", Console(file=screen, force_terminal=True, width=120))
    with ConsoleProgress().stage("extract", total=4, unit="images") as advance:
        advance(4)
    assert "extract" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    assert "images/s" in screen.getvalue()


def test_quiet_shows_notes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(quiet=True)
    with progress.stage("extract", total=1, unit="images") as advance:
        advance(1)
    progress.note("a note [in brackets]")
    assert capsys.readouterr().err == "a note [in brackets]\n"
