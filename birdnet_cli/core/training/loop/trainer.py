"""The training loop: epochs of updates, each followed by a validation, with rows of metrics and checkpoints."""

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Literal, NoReturn, cast

from birdnet_cli.core.data import EvaluationBatches, Failure, LabelledBatch, TrainingBatches
from birdnet_cli.core.errors import DataError, TrainingInterruptedError
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import LossSums, TrainingCounters, Validation
from birdnet_cli.core.training.loop.meters import Meters, epoch_line
from birdnet_cli.core.training.loop.nonfinite import describe_skipped_update
from birdnet_cli.core.training.loop.schedule import rate_factor
from birdnet_cli.core.training.loop.update import Updater
from birdnet_cli.core.training.loop.validation import validate
from birdnet_cli.core.training.progress import TrainingStatus
from birdnet_cli.core.training.run_folder.writer import RunWriter
from birdnet_cli.core.training.setup.trained_parts import TrainedParts

__all__ = ["Trainer"]

NAMED = 5


class Trainer:
    """Runs a training from its counters' step to its end.

    Args:
        context: settings, processes, progress and signals.
        parts: the classifier with its optimiser.
        train: the training batches.
        val: the validation batches, or None.
        writer: writes into the run directory.
        counters: counters of the training so far; updated as it goes on.
        on_error: `fail` to stop at an image that cannot be read, `skip` to list it and go on.
    """

    def __init__(
        self,
        context: TrainingContext,
        parts: TrainedParts,
        *,
        train: TrainingBatches,
        val: EvaluationBatches | None,
        writer: RunWriter,
        counters: TrainingCounters,
        on_error: Literal["fail", "skip"],
    ) -> None:
        self.context = context
        self.settings = context.settings
        self.parts = parts
        self.updater = Updater(parts, context, accumulate=counters.accumulate)
        self.train = train
        self.val = val
        self.writer = writer
        self.counters = counters
        self.on_error = on_error
        self.meters = Meters(context.settings, steps_per_epoch=train.steps_per_epoch, device=context.processes.device)

    def run(self) -> None:
        """Train until the last epoch, or until `patience` epochs have passed without a better validation.

        Raises:
            TrainingInterruptedError: a signal came; the training is saved.
            NumericsError: the loss or gradient of three batches in a row was not finite.
            DataError: an image cannot be read, and `on_error` is `fail`.
        """
        counters = self.counters
        with self.context.progress.training(start=counters.step, total=self.meters.total) as show:
            while True:
                completed = counters.step // self.train.steps_per_epoch
                if completed > counters.validated:
                    self._finish_epoch(completed)
                elif completed >= self.settings.epochs or self._patience_is_over():
                    return
                else:
                    self._train_epoch(completed, show)

    def _train_epoch(self, epoch: int, show: Callable[[TrainingStatus], None]) -> None:
        counters, settings, steps = self.counters, self.settings, self.train.steps_per_epoch
        self.updater.prepare(frozen=epoch < settings.freeze_epochs)
        self.meters.speed.start_epoch()
        batches = cast(Generator[LabelledBatch], self.train.epoch(epoch, start_step=counters.step - epoch * steps))
        with closing(batches):
            for batch in batches:
                images = self._count_images(batch)
                step = counters.step
                counters.rate_factor = rate_factor(settings, step=step, steps_per_epoch=steps)
                result = self.updater.update(
                    batch, epoch=epoch, step=step, images=images, rate_factor=counters.rate_factor
                )
                counters.count(result)
                counters.accumulate = self.updater.accumulate
                self.meters.speed.count_update(images)
                if not result.applied:
                    names = [self.train.samples[index].name for index in batch.indices]
                    notice = describe_skipped_update(result, counters, images=names)
                    if notice is not None:
                        self.writer.note(notice)
                logged = counters.step % settings.log_steps == 0
                show(self.meters.status(counters, epoch=epoch + 1, logged=logged))
                # The last row and the last checkpoint of an epoch are written after its validation.
                if counters.step % steps == 0:
                    continue
                if logged:
                    self._write_row(epoch + 1, None)
                if settings.checkpoint_steps and counters.step % settings.checkpoint_steps == 0:
                    self.writer.save_checkpoint(counters)

    def _count_images(self, batch: LabelledBatch) -> int:
        """Return the number of images in all parts of a batch, or stop in all processes before the same update."""
        stop = self.context.interrupts.received is not None
        images, failed, stops = self.context.processes.sum([len(batch.labels), len(batch.failures), stop])
        if stops:
            self._interrupt()
        if failed:
            self._record_failures(batch.failures)
        return max(1, int(images))

    def _record_failures(self, failures: Sequence[Failure]) -> None:
        texts = [f"{failure.name}: {failure.reason}" for failure in failures]
        if self.on_error == "fail" and texts:
            raise DataError(
                f"images cannot be read: {'; '.join(texts[:NAMED])}. Remove or repair them (fbn data check "
                "finds all of them), or list and skip them with --on-error skip"
            )
        self.counters.failed = sorted({*self.counters.failed, *self.context.processes.gather_texts(texts)})

    def _finish_epoch(self, completed: int) -> None:
        counters = self.counters
        with self._averaged():
            validation = self._validate()
            finished = validation is not None or self.val is None
            if finished:
                counters.validated = completed
                self.writer.write_model("last", counters=counters, validation=validation)
                if validation is not None and counters.take_validation(validation):
                    self.writer.write_model("best", counters=counters, validation=validation)
        if not finished:
            self._interrupt()
        self._write_row(completed, validation)
        self.writer.save_checkpoint(counters)

    def _validate(self) -> Validation | None:
        if self.val is None:
            return None
        with self.meters.speed.validation():
            return validate(
                self.parts.classifier,
                self.val,
                self.context,
                num_classes=len(self.parts.description.classes),
                record_failures=self._record_failures,
            )

    def _averaged(self) -> AbstractContextManager[None]:
        return self.parts.average.applied() if self.parts.average is not None else nullcontext()

    def _write_row(self, epoch: int, validation: Validation | None) -> None:
        counters = self.counters
        row = self.meters.row(counters, epoch=epoch, validation=validation)
        self.writer.write_row(row)
        counters.logged = counters.step
        counters.interval = LossSums()
        if counters.validated == epoch:
            self.writer.note(epoch_line(counters, row, epochs=self.settings.epochs))
            counters.epoch = LossSums()

    def _patience_is_over(self) -> bool:
        best, patience = self.counters.best_epoch, self.settings.patience
        over = patience is not None and best > 0 and self.counters.validated - best >= patience
        if over:
            self.writer.note(f"stopped early: no better validation than in epoch {best} for {patience} epochs")
        return over

    def _interrupt(self) -> NoReturn:
        """Save the training and stop it."""
        self.writer.save_checkpoint(self.counters)
        with self._averaged():
            self.writer.write_model("last", counters=self.counters, validation=None)
        number = self.context.interrupts.received or signal.SIGTERM
        text = (
            f"stopped by {signal.Signals(number).name} after step {self.counters.step} of {self.meters.total}; "
            "the training is saved, continue it with --resume"
        )
        self.writer.log(text)
        self.context.processes.barrier()
        raise TrainingInterruptedError(text, number)
