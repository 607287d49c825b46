"""Finished fractions become stages in percent."""

from collections.abc import Iterator
from contextlib import contextmanager

from birdnet_cli.core.progress import Advance, FractionStages, SilentProgress


class Recorder(SilentProgress):
    """Writes down every stage's beginning, advances and end."""

    def __init__(self) -> None:
        self.events: list[str] = []

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Advance]:
        self.events.append(f"{title}: 0 of {total} {unit}")
        yield lambda units: self.events.append(f"+{units}")
        self.events.append(f"{title}: end")


def test_fractions_advance_by_whole_percents_and_a_new_title_ends_the_stage_before() -> None:
    progress = Recorder()
    with FractionStages(progress) as follow:
        for fraction in (0.0, 0.004, 0.25, 0.2599, 1.0):
            follow("fit", fraction)
        follow("calibrate", 0.5)
    assert progress.events == [
        "fit: 0 of 100 %", "+25", "+75", "fit: end", "calibrate: 0 of 100 %", "+50", "calibrate: end",
    ]  # fmt: skip


def test_a_fraction_that_falls_takes_nothing_back() -> None:
    progress = Recorder()
    with FractionStages(progress) as follow:
        for fraction in (0.5, 0.3, 0.6):
            follow("fit", fraction)
    assert progress.events[1:-1] == ["+50", "+10"]
