"""One update of the parameters from one batch: forward and backward passes, a check, then the optimiser's step."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import LabelledBatch, mix_targets
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.heads import reseed_drop_factors
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import UpdateResult
from birdnet_cli.core.training.distributed import wrap_distributed
from birdnet_cli.core.training.setup.classifier import NormStatistics
from birdnet_cli.core.training.setup.optimizer import set_rates
from birdnet_cli.core.training.setup.trained_parts import TrainedParts

__all__ = ["Updater"]

# A scaled gradient that overflows although the loss is scaled by less than this is not finite by itself.
SMALLEST_SCALE = 1.0


class Updater:
    """Updates a classifier from batches.

    The gradient is that of the mean loss over the images of all processes and forward passes: neither the number of
    processes nor that of forward passes changes the result, save for BatchNorm's statistics and DropFactor's masks,
    which each forward pass has of its own.

    Args:
        parts: classifier, optimiser, loss scaler and moving average.
        context: settings and processes.
        accumulate: forward passes per update.

    Attributes:
        accumulate: forward passes per update; doubled once if the GPU's memory does not suffice.
    """

    def __init__(self, parts: TrainedParts, context: TrainingContext, *, accumulate: int) -> None:
        self.parts = parts
        self.settings = context.settings
        self.processes = context.processes
        self.accumulate = accumulate
        self.parameters = [parameter for group in parts.optimizer.param_groups for parameter in group["params"]]
        self.statistics = NormStatistics(parts.classifier)
        self._frozen: bool | None = None
        self._module: Any = parts.classifier

    def prepare(self, *, frozen: bool) -> None:
        """Switch the classifier to training mode.

        Args:
            frozen: whether only the head learns.
        """
        classifier = self.parts.classifier
        classifier.prepare(frozen=frozen, freeze_norm=self.settings.freeze_norm)
        if frozen == self._frozen:
            return
        # DistributedDataParallel fixes at construction which parameters learn.
        self._frozen = frozen
        self._module = classifier
        if self.processes.world_size > 1:
            self._module = wrap_distributed(classifier, self.processes.device)
        if self.settings.compile:
            self._module = torch.compile(self._module)

    def update(self, batch: LabelledBatch, *, epoch: int, step: int, images: int, rate_factor: float) -> UpdateResult:
        """Compute the gradient of a batch and, if loss and gradient are finite, change the parameters.

        Args:
            batch: this process's part of the batch.
            epoch: number of the epoch, from 0.
            step: updates done before, in all epochs.
            images: number of images in the parts of all processes, at least 1.
            rate_factor: factor on all learning rates.

        Raises:
            FbnError: the GPU's memory does not suffice, and the forward pass was halved already or cannot be.
        """
        set_rates(self.parts.optimizer, rate_factor)
        pixels = batch.images.to(self.processes.device, non_blocking=True)
        labels = batch.labels.to(self.processes.device, non_blocking=True)
        num_classes = len(self.parts.description.classes)
        pixels, targets = mix_targets(
            pixels, labels, settings=self.settings, num_classes=num_classes, epoch=epoch, step=step
        )
        self.statistics.keep()
        try:
            sums = self._backward(pixels, targets, labels, step=step, images=images)
        except torch.OutOfMemoryError as error:
            self._halve(len(labels), error)
            sums = self._backward(pixels, targets, labels, step=step, images=images)
        loss_sum, correct = self.processes.sum(sums)
        mixed = targets is not labels
        grad_norm, applied, overflow = self._apply(loss_sum)
        if applied and self.parts.average is not None:
            self.parts.average.update(step)
        return UpdateResult(images, loss_sum, None if mixed else int(correct), grad_norm, applied, overflow)

    def _backward(
        self, pixels: Tensor, targets: Tensor, labels: Tensor, *, step: int, images: int
    ) -> tuple[float, float]:
        """Return the sum of this process's losses and the number of its images classified correctly."""
        settings, rank = self.settings, self.processes.rank
        self.parts.optimizer.zero_grad(set_to_none=True)
        size = max(1, math.ceil(len(labels) / self.accumulate))
        starts = range(0, max(1, len(labels)), size)
        loss_sum = torch.zeros((), device=pixels.device)
        correct = torch.zeros((), device=pixels.device)
        for number, start in enumerate(starts):
            part = slice(start, start + size)
            stream = 0 if settings.sync_masks else rank
            reseed_drop_factors(self.parts.classifier, settings.seed, step, number, stream=stream)
            with (
                _seeded_draws(settings.seed, step, number, rank, device=pixels.device),
                self._gradient_exchange(last=start == starts[-1]),
            ):
                scores = self._module(pixels[part])
                loss = cross_entropy(scores, targets[part], reduction="sum", label_smoothing=settings.label_smoothing)
                # DistributedDataParallel takes the mean over the processes.
                scaled = self.parts.scaler.scale(loss * (self.processes.world_size / images))
                scaled.backward()  # type: ignore[no-untyped-call]
            loss_sum += loss.detach()
            correct += (scores.detach().argmax(1) == labels[part]).sum()
        return float(loss_sum), float(correct)

    def _apply(self, loss_sum: float) -> tuple[float, bool, bool]:
        """Change the parameters if loss and gradient are finite; return gradient norm, applied, overflow."""
        if not math.isfinite(loss_sum):
            self._discard()
            return math.nan, False, False
        optimizer, scaler = self.parts.optimizer, self.parts.scaler
        scaler.unscale_(optimizer)
        if self.settings.clamp_grad is not None:
            nn.utils.clip_grad_value_(self.parameters, self.settings.clamp_grad)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        grad_norm = float(norm)
        finite = math.isfinite(grad_norm)
        if self.settings.clip_grad is not None and finite:
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip_grad, norm)
        if finite or scaler.is_enabled():
            # The scaler skips a step whose gradient is not finite, and then lowers its scale.
            scaler.step(optimizer)
            scaler.update()
        if not finite:
            self._discard()
        return grad_norm, finite, not finite and scaler.is_enabled() and scaler.get_scale() >= SMALLEST_SCALE

    def _discard(self) -> None:
        self.parts.optimizer.zero_grad(set_to_none=True)
        self.statistics.restore()

    def _gradient_exchange(self, *, last: bool) -> AbstractContextManager[None]:
        # The processes exchange gradients in the last backward pass of an update only.
        if self.processes.world_size == 1 or last:
            return nullcontext()
        context: AbstractContextManager[None] = self._module.no_sync()
        return context

    def _halve(self, images: int, error: torch.OutOfMemoryError) -> None:
        if self.processes.world_size > 1 or self.accumulate != self.settings.accumulate or images < 2 * self.accumulate:
            raise FbnError(
                f"the GPU's memory does not suffice for {images} images in {self.accumulate} forward passes: lower "
                "--batch-size or image_size, raise --grad-accum-steps, or give --checkpoint-activations"
            ) from error
        self.accumulate *= 2
        self._discard()
        torch.cuda.empty_cache()


@contextmanager
def _seeded_draws(seed: int, *key: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators by (seed, *key) inside the block, for dropout and stochastic depth.

    Afterwards the generators are in the state that they had before.
    """
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    number = int.from_bytes(digest[:8], "little") >> 1
    cuda = [torch.cuda.default_generators[device.index or 0]] if device.type == "cuda" else []
    generators = [torch.default_generator, *cuda]
    states = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(number)
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
