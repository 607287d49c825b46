"""One update of the parameters from one batch, in one or several forward passes, checked before it is applied."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import LabelledBatch, mix_targets
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.heads import reseed_drop_factors
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import Outcome
from birdnet_cli.core.training.distributed import Processes, wrap_distributed
from birdnet_cli.core.training.loop.batchnorm_statistics import NormStatistics
from birdnet_cli.core.training.loop.determinism import draws_of
from birdnet_cli.core.training.setup.classifier import Classifier

__all__ = ["Updater"]


class Updater:
    """Applies batches to a classifier.

    The gradient is that of the mean loss over the images of all processes and forward passes, so that neither changes
    what is learned, save for BatchNorm's statistics and DropFactor's masks, which belong to a forward pass.

    Args:
        classifier: on its device.
        optimizer: of its parameters.
        settings: loss, clipping, masks.
        processes: who shares the batch.
        scaler: of the loss.
        accumulate: forward passes per update.
        num_classes: K.

    Attributes:
        accumulate: as given; doubled once if the GPU's memory does not suffice.
    """

    def __init__(
        self,
        classifier: Classifier,
        optimizer: torch.optim.Optimizer,
        *,
        settings: FinetuneSettings,
        processes: Processes,
        scaler: torch.amp.GradScaler,
        accumulate: int,
        num_classes: int,
    ) -> None:
        self.classifier = classifier
        self.optimizer = optimizer
        self.settings = settings
        self.processes = processes
        self.num_classes = num_classes
        self.accumulate = accumulate
        self.scaler = scaler
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.statistics = NormStatistics(classifier)
        self._frozen: bool | None = None
        self._module: Any = classifier

    def prepare(self, *, frozen: bool) -> None:
        """Go into training mode, with or without the backbone."""
        self.classifier.prepare(frozen=frozen, freeze_norm=self.settings.freeze_norm)
        if frozen == self._frozen:
            return
        # DistributedDataParallel remembers which parameters learn.
        self._frozen = frozen
        self._module = self.classifier
        if self.processes.world_size > 1:
            self._module = wrap_distributed(self.classifier, self.processes.device)
        if self.settings.compile:
            self._module = torch.compile(self._module)

    def __call__(self, batch: LabelledBatch, *, epoch: int, step: int, images: int) -> Outcome:
        """Compute the gradient of a batch and, if all is finite, take one step.

        Args:
            batch: this process's part.
            epoch: from 0.
            step: updates done before, in all epochs.
            images: in the parts of all processes.

        Raises:
            FbnError: the GPU's memory does not suffice, and halving the forward pass did not help or cannot be done.
        """
        pixels = batch.images.to(self.processes.device, non_blocking=True)
        labels = batch.labels.to(self.processes.device, non_blocking=True)
        pixels, targets = mix_targets(
            pixels, labels, settings=self.settings, num_classes=self.num_classes, epoch=epoch, step=step
        )
        self.statistics.keep()
        try:
            loss, right = self._backward(pixels, targets, labels, step=step, images=images)
        except torch.OutOfMemoryError as error:
            self._halve(len(labels), error)
            loss, right = self._backward(pixels, targets, labels, step=step, images=images)
        loss, right = self.processes.sum([loss, right])
        mixed = targets is not labels
        outcome = self._apply(loss)
        return Outcome(images, loss, None if mixed else int(right), *outcome)

    def _backward(
        self, pixels: Tensor, targets: Tensor, labels: Tensor, *, step: int, images: int
    ) -> tuple[float, float]:
        self.optimizer.zero_grad(set_to_none=True)
        size = max(1, math.ceil(len(labels) / self.accumulate))
        starts = range(0, max(1, len(labels)), size)
        loss = torch.zeros((), device=pixels.device)
        right = torch.zeros((), device=pixels.device)
        for number, start in enumerate(starts):
            part = slice(start, start + size)
            stream = 0 if self.settings.sync_masks else self.processes.rank
            reseed_drop_factors(self.classifier, self.settings.seed, step, number, stream=stream)
            with (
                draws_of(self.settings.seed, step, number, self.processes.rank, device=pixels.device),
                self._sync(last=start == starts[-1]),
            ):
                scores = self._module(pixels[part])
                summed = cross_entropy(
                    scores, targets[part], reduction="sum", label_smoothing=self.settings.label_smoothing
                )
                # DistributedDataParallel takes the mean over processes.
                self.scaler.scale(summed * (self.processes.world_size / images)).backward()  # type: ignore[no-untyped-call]
            loss += summed.detach()
            right += (scores.detach().argmax(1) == labels[part]).sum()
        return float(loss), float(right)

    def _apply(self, loss: float) -> tuple[float, bool, bool]:
        if not math.isfinite(loss):
            self._discard()
            return math.nan, False, False
        self.scaler.unscale_(self.optimizer)
        if self.settings.clamp_grad is not None:
            nn.utils.clip_grad_value_(self.parameters, self.settings.clamp_grad)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        grad_norm = float(norm)
        if self.settings.clip_grad is not None and math.isfinite(grad_norm):
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip_grad, norm)
        finite = math.isfinite(grad_norm)
        if finite or self.scaler.is_enabled():
            # The scaler leaves out a step whose gradient is not finite, and then scales less.
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if not finite:
            self._discard()
        return grad_norm, finite, not finite and self.scaler.is_enabled()

    def _discard(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.statistics.restore()

    def _sync(self, *, last: bool) -> AbstractContextManager[None]:
        if self.processes.world_size == 1 or last:
            return nullcontext()
        context: AbstractContextManager[None] = self._module.no_sync()
        return context

    def _halve(self, images: int, error: torch.OutOfMemoryError) -> None:
        advice = "lower --batch-size or image_size, raise --grad-accum-steps, or give --checkpoint-activations"
        if self.processes.world_size > 1 or self.accumulate != self.settings.accumulate or images < 2 * self.accumulate:
            raise FbnError(
                f"the GPU's memory does not suffice for {images} images in {self.accumulate} parts: {advice}"
            ) from error
        self.accumulate *= 2
        self._discard()
        torch.cuda.empty_cache()
