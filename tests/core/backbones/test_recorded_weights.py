"""Weights for a use case: downloads are followed, and weights on record come back the same or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from birdnet_cli.core.backbones import IMAGENET, WeightSet
from birdnet_cli.core.backbones import recorded_weights as weights
from birdnet_cli.core.backbones.recorded_weights import find_recorded_weights, find_weights
from birdnet_cli.core.errors import WeightsError

FOUND = WeightSet("a file", "ab" * 32, {}, IMAGENET)


class Recorder:
    """A progress that remembers its stages and how each ended."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        self.events.append((title, total, unit))
        try:
            yield self.events.append
        finally:
            self.events.append("end")

    def note(self, text: str) -> None:
        self.events.append(text)


def answer(
    monkeypatch: pytest.MonkeyPatch, *, steps: tuple[tuple[int, int], ...] = (), fail: bool = False
) -> list[Any]:
    """Let `resolve_weights` report `steps` and return FOUND; the list takes its arguments."""
    calls: list[Any] = []

    def resolve(name: str, source: str, *, preprocessing: str | None, on_progress: Callable[[int, int], None]) -> Any:
        calls.append((name, source, preprocessing))
        for step in steps:
            on_progress(*step)
        if fail:
            raise WeightsError("broken off")
        return FOUND

    monkeypatch.setattr(weights, "resolve_weights", resolve)
    return calls


def test_a_download_is_a_stage_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, steps=((10, 100), (40, 100), (100, 100)))
    progress = Recorder()
    assert find_weights("vgg16", "auto", progress=progress) is FOUND
    assert progress.events == [("download vgg16", 100, "bytes"), 10, 30, 60, "end"]


def test_weights_that_are_there_open_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    progress = Recorder()
    find_weights("vgg16", "auto", progress=progress)
    assert progress.events == []


def test_a_broken_download_closes_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, steps=((10, 100),), fail=True)
    progress = Recorder()
    with pytest.raises(WeightsError):
        find_weights("vgg16", "auto", progress=progress)
    assert progress.events[-1] == "end"


def test_a_second_attempt_starts_its_bytes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, steps=((60, 100), (10, 100), (100, 100)))
    progress = Recorder()
    find_weights("vgg16", "auto", progress=progress)
    assert sum(event for event in progress.events if isinstance(event, int)) == 100


def test_preprocessing_auto_leaves_the_choice_to_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answer(monkeypatch)
    find_weights("vgg16", "auto", preprocessing="auto")
    find_weights("vgg16", "m.onnx", preprocessing="oxford")
    assert calls == [("vgg16", "auto", None), ("vgg16", "m.onnx", "oxford")]


def test_weights_on_record_are_found_by_their_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answer(monkeypatch)
    record = {"backbone": "vgg19", "weights_sha256": FOUND.sha256}
    assert find_recorded_weights(record, "none", owner="m.safetensors") is FOUND
    assert calls == [("vgg19", "none", None)]


def test_weights_other_than_those_on_record_are_refused_and_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    record = {"backbone": "vgg16", "weights_sha256": "cd" * 32}
    with pytest.raises(WeightsError) as caught:
        find_recorded_weights(record, "auto", owner="birds.safetensors")
    assert str(caught.value) == (
        "birds.safetensors: was made with vgg16 weights of sha256 cdcdcdcdcdcd…, but a file has abababababab…; "
        "give the right file with --weights"
    )
