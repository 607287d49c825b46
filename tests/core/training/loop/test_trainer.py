"""The order of updates, validations, rows, checkpoints and model files, with fake batches, updates and files."""

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from birdnet_cli.core.data import Failure, LabelledBatch
from birdnet_cli.core.errors import DataError, NumericsError, TrainingInterruptedError
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import TrainingCounters, UpdateResult, Validation
from birdnet_cli.core.training.loop import trainer as module
from birdnet_cli.core.training.loop.trainer import Trainer
from tests.core.training.quick import cpu_context, quick_settings, small_classifier, small_parts

STEPS = 3
GOOD = UpdateResult(images=2, loss_sum=2.0, correct=1, grad_norm=1.0, applied=True)
BAD = UpdateResult(images=2, loss_sum=float("nan"), correct=0, grad_norm=float("nan"), applied=False)
FAILURES = {1: [Failure(0, "a.png", "zero bytes")]}


class FakeBatches:
    """Three batches of two images per epoch."""

    steps_per_epoch = STEPS
    samples = tuple(SimpleNamespace(name=f"{index}.png") for index in range(2))

    def __init__(self, failures: dict[int, list[Failure]]) -> None:
        self.failures = failures

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[LabelledBatch]:
        for step in range(start_step, STEPS):
            failures = self.failures.get(epoch * STEPS + step, [])
            yield LabelledBatch(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64), [0, 1], failures)


class Fakes:
    """Takes the place of the updater, the writer and the validation, and records their calls in order."""

    accumulate = 1

    def __init__(self, results: list[UpdateResult], validations: list[Validation | None]) -> None:
        self.results = results
        self.validations = validations
        self.calls: list[tuple[object, ...]] = []
        self.factors: list[float] = []
        self.notes: list[str] = []
        self.context: TrainingContext | None = None
        self.signal_at: int | None = None

    def prepare(self, *, frozen: bool) -> None:
        self.calls.append(("frozen" if frozen else "learning",))

    def update(self, _batch: object, *, epoch: int, step: int, images: int, rate_factor: float) -> UpdateResult:
        assert images == 2
        self.calls.append(("update", epoch, step))
        self.factors.append(rate_factor)
        if step == self.signal_at and self.context is not None:
            self.context.interrupts.received = signal.SIGTERM
        return self.results.pop(0) if self.results else GOOD

    def validate(self, *_: object, **__: object) -> Validation | None:
        self.calls.append(("validate",))
        return self.validations.pop(0)

    def write_row(self, row: Any) -> None:
        self.calls.append(("row", row.epoch, row.step, row.val_top1))

    def save_checkpoint(self, counters: TrainingCounters) -> None:
        self.calls.append(("checkpoint", counters.step, counters.validated))

    def write_model(self, name: str, *, counters: TrainingCounters, validation: Validation | None) -> None:
        self.calls.append((name, counters.step, validation is not None))

    def note(self, text: str) -> None:
        self.notes.append(text)

    log = note


def validation(top1: float) -> Validation:
    return Validation(images=4, loss=1.0, top1=top1, top5=1.0, temperature=1.0)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    made = Fakes(results=[], validations=[])
    monkeypatch.setattr(module, "validate", made.validate)
    return made


def trainer(
    fakes: Fakes,
    *,
    counters: TrainingCounters | None = None,
    failures: dict[int, list[Failure]] | None = None,
    on_error: str = "fail",
    **changes: Any,
) -> Trainer:
    settings = quick_settings(**{"sched": "constant", "log_steps": 99} | changes)
    fakes.context = cpu_context(settings)
    val: Any = object() if fakes.validations else None
    made = Trainer(
        fakes.context, small_parts(small_classifier(), settings), train=FakeBatches(failures or {}),  # type: ignore[arg-type]
        val=val, writer=fakes, counters=counters or TrainingCounters(), on_error=on_error,  # type: ignore[arg-type]
    )  # fmt: skip
    made.updater = fakes  # type: ignore[assignment]
    return made


def test_the_last_row_and_checkpoint_of_an_epoch_follow_its_validation(fakes: Fakes) -> None:
    fakes.validations = [validation(0.5), validation(0.25)]
    trainer(fakes, epochs=2, log_steps=2, checkpoint_steps=2).run()
    assert fakes.calls == [
        ("learning",), ("update", 0, 0), ("update", 0, 1), ("row", 1, 2, None), ("checkpoint", 2, 0), ("update", 0, 2),
        ("validate",), ("last", 3, True), ("best", 3, True), ("row", 1, 3, 0.5), ("checkpoint", 3, 1),
        ("learning",), ("update", 1, 3), ("row", 2, 4, None), ("checkpoint", 4, 1), ("update", 1, 4), ("update", 1, 5),
        ("validate",), ("last", 6, True), ("row", 2, 6, 0.25), ("checkpoint", 6, 2),
    ]  # fmt: skip


def test_a_training_goes_on_in_the_middle_of_an_epoch(fakes: Fakes) -> None:
    trainer(fakes, epochs=2, counters=TrainingCounters(step=4, validated=1)).run()
    assert fakes.calls == [
        ("learning",), ("update", 1, 4), ("update", 1, 5), ("last", 6, False), ("row", 2, 6, None),
        ("checkpoint", 6, 2),
    ]  # fmt: skip


def test_an_epoch_that_was_interrupted_in_its_validation_is_validated_without_an_update(fakes: Fakes) -> None:
    fakes.validations = [validation(0.5)]
    trainer(fakes, epochs=1, counters=TrainingCounters(step=3, validated=0)).run()
    assert fakes.calls[0] == ("validate",)


def test_a_finished_training_does_nothing(fakes: Fakes) -> None:
    trainer(fakes, epochs=2, counters=TrainingCounters(step=6, validated=2)).run()
    assert fakes.calls == []


def test_the_backbone_is_frozen_in_the_first_epochs_alone(fakes: Fakes) -> None:
    trainer(fakes, epochs=3, freeze_epochs=2).run()
    assert [call[0] for call in fakes.calls if call[0] in ("frozen", "learning")] == ["frozen", "frozen", "learning"]


def test_updates_get_the_rate_of_the_schedule_at_their_step(fakes: Fakes) -> None:
    trainer(fakes, epochs=2, sched="milestones", milestones=(1,)).run()
    assert fakes.factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1])


def test_patience_counts_epochs_since_the_best_validation(fakes: Fakes) -> None:
    fakes.validations = [validation(top1) for top1 in (0.25, 0.5, 0.5, 0.25, 0.75)]
    made = trainer(fakes, epochs=9, patience=2)
    made.run()
    assert (made.counters.validated, made.counters.best_epoch) == (4, 2)
    assert fakes.notes[-1] == "stopped early: no better validation than in epoch 2 for 2 epochs"


def test_a_signal_saves_the_training_before_the_next_update(fakes: Fakes) -> None:
    fakes.signal_at = 1
    with pytest.raises(
        TrainingInterruptedError, match="stopped by SIGTERM after step 2 of 3; the training is saved, con"
    ):
        trainer(fakes, epochs=1).run()
    assert fakes.calls[-3:] == [("update", 0, 1), ("checkpoint", 2, 0), ("last", 2, False)]


def test_a_signal_in_a_validation_saves_the_epoch_as_not_validated(fakes: Fakes) -> None:
    fakes.validations = [None]
    fakes.signal_at = 2
    with pytest.raises(TrainingInterruptedError, match="after step 3 of 3"):
        trainer(fakes, epochs=1).run()
    assert fakes.calls[-3:] == [("validate",), ("checkpoint", 3, 0), ("last", 3, False)]


def test_an_image_that_cannot_be_read_stops_the_training_before_its_update(fakes: Fakes) -> None:
    with pytest.raises(DataError, match=r"images cannot be read: a\.png: zero bytes\. Remove or repair them"):
        trainer(fakes, epochs=1, failures=FAILURES).run()
    assert fakes.calls[-1] == ("update", 0, 0)


def test_skipped_images_are_listed_once(fakes: Fakes) -> None:
    made = trainer(fakes, epochs=1, failures=FAILURES | {2: FAILURES[1]}, on_error="skip")
    made.run()
    assert made.counters.failed == ["a.png: zero bytes"]
    assert made.counters.step == 3


def test_a_skipped_batch_is_noted_with_its_images(fakes: Fakes) -> None:
    fakes.results = [BAD]
    made = trainer(fakes, epochs=1)
    made.run()
    assert fakes.notes[0] == "step 1: the loss is not finite, and the batch is skipped; its images: 0.png, 1.png"
    assert (made.counters.step, made.counters.skipped) == (3, 1)


def test_a_third_batch_in_a_row_that_is_not_finite_stops_the_training(fakes: Fakes) -> None:
    fakes.results = [BAD, BAD, BAD]
    with pytest.raises(NumericsError, match="the last at step 3"):
        trainer(fakes, epochs=2).run()


def test_sums_start_again_after_a_row_and_after_an_epoch(fakes: Fakes) -> None:
    made = trainer(fakes, epochs=2, log_steps=2)
    made.run()
    assert (made.counters.interval.images, made.counters.epoch.images, made.counters.logged) == (0, 0, 6)
    resumed = trainer(fakes, epochs=2, log_steps=2, counters=TrainingCounters(step=3, validated=1))
    seen: list[tuple[int, int]] = []
    fakes.write_row = lambda _: seen.append(  # type: ignore[method-assign]
        (resumed.counters.interval.images, resumed.counters.epoch.images)
    )
    resumed.run()
    # Rows after steps 4 and 6: the interval's images, and those of the epoch so far.
    assert seen == [(2, 2), (4, 6)]


def test_validation_and_models_have_the_average_of_the_parameters(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.validations = [validation(0.5)]
    made = trainer(fakes, epochs=1, ema_decay=0.5)
    average, weight = made.parts.average, made.parts.classifier.head.weight
    assert average is not None
    average.average["head.weight"].fill_(7.0)
    before = weight.detach().clone()
    seen: list[float] = []

    def look(*_: object, **__: object) -> Validation:
        seen.append(float(weight.detach().mean()))
        return validation(0.5)

    monkeypatch.setattr(module, "validate", look)
    fakes.write_model = look  # type: ignore[assignment]
    made.run()
    assert seen == [7.0, 7.0, 7.0]
    assert torch.equal(weight, before)
