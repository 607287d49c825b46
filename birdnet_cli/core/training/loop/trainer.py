"""The training loop: epochs of updates, each followed by a validation, from wherever a checkpoint left off."""

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Literal, NoReturn, cast

from birdnet_cli.core.data import EvaluationBatches, Failure, LabelledBatch, TrainingBatches
from birdnet_cli.core.errors import DataError, TrainingInterruptedError
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import Figures, Sums, TrainingState
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.loop.meters import Gauges, epoch_line
from birdnet_cli.core.training.loop.nonfinite import judge_outcome
from birdnet_cli.core.training.loop.schedule import rate_factor
from birdnet_cli.core.training.loop.update import Updater
from birdnet_cli.core.training.loop.validation import validate
from birdnet_cli.core.training.progress import TrainingProgress, TrainingStatus
from birdnet_cli.core.training.run_folder.checkpoint import TrainedParts
from birdnet_cli.core.training.run_folder.writer import Records
from birdnet_cli.core.training.setup.optimizer import set_rates
from birdnet_cli.core.training.signals import InterruptHandler

__all__ = ["Trainer"]

NAMED = 5


class Trainer:
    """Runs a training to its end.

    Args:
        parts: the classifier with its optimiser.
        updater: applies a batch to them.
        train: the training batches.
        val: the validation batches, or None.
        settings: of the training.
        processes: who shares the work.
        records: what is written.
        interrupts: whether a signal came.
        progress: follows the work.
        state: how far it has come.
        on_error: what to do about a training image that cannot be read.
    """

    def __init__(
        self,
        parts: TrainedParts,
        updater: Updater,
        *,
        train: TrainingBatches,
        val: EvaluationBatches | None,
        settings: FinetuneSettings,
        processes: Processes,
        records: Records,
        interrupts: InterruptHandler,
        progress: TrainingProgress,
        state: TrainingState,
        on_error: Literal["fail", "skip"],
    ) -> None:
        self.parts = parts
        self.updater = updater
        self.train = train
        self.val = val
        self.settings = settings
        self.processes = processes
        self.records = records
        self.interrupts = interrupts
        self.progress = progress
        self.state = state
        self.on_error = on_error
        self.gauges = Gauges(settings, steps_per_epoch=train.steps_per_epoch, device=processes.device)

    def run(self) -> None:
        """Train until the last epoch, or until patience is over.

        Raises:
            TrainingInterruptedError: a signal came; everything is saved.
            NumericsError: three batches in a row were not finite.
            DataError: a training image cannot be read, and none may be skipped.
        """
        state = self.state
        with self.progress.training(start=state.step, total=self.gauges.total) as show:
            while True:
                completed = state.step // self.train.steps_per_epoch
                if completed > state.validated:
                    self._finish_epoch(completed)
                elif completed >= self.settings.epochs or self._patience_is_over():
                    return
                else:
                    self._train_epoch(completed, show)

    def _train_epoch(self, epoch: int, show: Callable[[TrainingStatus], None]) -> None:
        state, steps = self.state, self.train.steps_per_epoch
        self.updater.prepare(frozen=epoch < self.settings.freeze_epochs)
        self.gauges.pace.start()
        batches = cast(Generator[LabelledBatch], self.train.epoch(epoch, start_step=state.step - epoch * steps))
        with closing(batches):
            for batch in batches:
                images = self._agree(batch)
                state.factor = rate_factor(self.settings, step=state.step, steps_per_epoch=steps)
                set_rates(self.parts.optimizer, state.factor)
                outcome = self.updater(batch, epoch=epoch, step=state.step, images=images)
                self.gauges.pace.tick(outcome.images)
                state.step += 1
                state.accumulate = self.updater.accumulate
                names = [self.train.samples[index].name for index in batch.indices]
                notice = judge_outcome(outcome, state, scale=self.parts.scaler.get_scale(), images=names)
                if notice is not None:
                    self._note(notice)
                if outcome.applied and self.parts.average is not None:
                    self.parts.average.update(state.step - 1)
                logged = state.step % self.settings.log_steps == 0
                show(self.gauges.moment(state, epoch=epoch + 1, logged=logged))
                # The last row and the last checkpoint of an epoch wait for its validation.
                if state.step % steps == 0:
                    continue
                if logged:
                    self._write_row(epoch + 1, None)
                if self.settings.checkpoint_steps and state.step % self.settings.checkpoint_steps == 0:
                    self.records.checkpoint(state)

    def _agree(self, batch: LabelledBatch) -> int:
        # Before an update, so that every process stops at the same one.
        wish = self.interrupts.received is not None
        images, failed, wishes = self.processes.sum([len(batch.labels), len(batch.failures), wish])
        if wishes:
            self._interrupt()
        if failed:
            self._take_failures(batch.failures)
        return max(1, int(images))

    def _take_failures(self, failures: Sequence[Failure]) -> None:
        texts = [f"{failure.name}: {failure.reason}" for failure in failures]
        if self.on_error == "fail" and texts:
            raise DataError(
                f"images cannot be read: {'; '.join(texts[:NAMED])}. Remove or repair them (fbn data check "
                "finds all of them), or list and skip them with --on-error skip"
            )
        self.state.failed = sorted({*self.state.failed, *self.processes.gather_texts(texts)})

    def _finish_epoch(self, completed: int) -> None:
        state = self.state
        with self._averaged():
            figures = self._validate()
            finished = figures is not None or self.val is None
            if finished:
                state.validated = completed
                self.records.model("last", state=state, figures=figures)
                if figures is not None and state.improve(figures):
                    self.records.model("best", state=state, figures=figures)
        if not finished:
            self._interrupt()
        self._write_row(completed, figures)
        self.records.checkpoint(state)

    def _validate(self) -> Figures | None:
        if self.val is None:
            return None
        count = len(self.val.samples)
        with self.progress.stage("validate", total=count, unit="images") as advance, self.gauges.pace.validation():
            return validate(
                self.parts.assembled.classifier,
                self.val,
                processes=self.processes,
                num_classes=len(self.parts.assembled.description.classes),
                take_failures=self._take_failures,
                stopping=lambda: self.interrupts.received is not None,
                advance=advance,
            )

    def _averaged(self) -> AbstractContextManager[None]:
        return self.parts.average.applied() if self.parts.average is not None else nullcontext()

    def _write_row(self, epoch: int, figures: Figures | None) -> None:
        state = self.state
        row = self.gauges.row(state, epoch=epoch, figures=figures)
        self.records.row(row)
        state.logged = state.step
        state.interval = Sums()
        if state.validated == epoch:
            self._note(epoch_line(state, row, epochs=self.settings.epochs))
            state.epoch = Sums()

    def _patience_is_over(self) -> bool:
        state, patience = self.state, self.settings.patience
        over = patience is not None and state.best_epoch > 0 and state.validated - state.best_epoch >= patience
        if over:
            self._note(f"stopped early: no better validation than in epoch {state.best_epoch} for {patience} epochs")
        return over

    def _interrupt(self) -> NoReturn:
        self.records.checkpoint(self.state)
        with self._averaged():
            self.records.model("last", state=self.state, figures=None)
        number = self.interrupts.received or signal.SIGTERM
        where = f"after step {self.state.step} of {self.gauges.total}"
        text = f"stopped by {signal.Signals(number).name} {where}; all is saved, go on with --resume"
        self.records.log(text)
        self.processes.barrier()
        raise TrainingInterruptedError(text, number)

    def _note(self, text: str) -> None:
        self.records.log(text)
        if self.processes.writes:
            self.progress.note(text)
