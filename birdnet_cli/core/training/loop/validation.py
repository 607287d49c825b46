"""Validation: a classifier on the validation images, shared among the processes -> loss, top-1, top-5, temperature."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import EvaluationBatches, Failure
from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.heads import fit_temperature
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.counters import Validation
from birdnet_cli.core.training.setup.classifier import Classifier

__all__ = ["validate"]


@torch.no_grad()
def validate(
    classifier: Classifier,
    batches: EvaluationBatches,
    context: TrainingContext,
    *,
    num_classes: int,
    record_failures: Callable[[Sequence[Failure]], None],
) -> Validation | None:
    """Evaluate a classifier on every validation image once, whatever the number of processes.

    Args:
        classifier: the classifier, with the same parameters in every process; BatchNorm's statistics become rank 0's.
        batches: this process's part of the validation images.
        context: the processes, the progress, and the signals that stop a validation between two batches.
        num_classes: K.
        record_failures: called in every process, with its images that could not be read, if any process has some.

    Returns:
        The validation, equal in every process; None if a signal came to one of the processes.

    Raises:
        DataError: no image could be read.
        NumericsError: a score is not finite.
    """
    processes = context.processes
    classifier.eval()
    processes.broadcast([buffer for buffer in classifier.buffers() if buffer.is_floating_point()])
    scores: list[Tensor] = []
    labels: list[Tensor] = []
    own_batches = iter(batches)
    # Rank 0 has the most batches. Every process takes part in each exchange, with or without a batch.
    (rounds,) = processes.sum([len(batches) if processes.rank == 0 else 0])
    with context.progress.stage("validate", total=len(batches.samples), unit="images") as advance:
        for _ in range(int(rounds)):
            batch = next(own_batches, None)
            if batch is not None and len(batch.labels):
                scores.append(classifier(batch.images.to(processes.device)).float().cpu())
                labels.append(batch.labels)
            failures = batch.failures if batch is not None else []
            seen = len(failures) + (len(batch.labels) if batch is not None else 0)
            stop = context.interrupts.received is not None
            done, failed, stops = processes.sum([seen, len(failures), stop])
            advance(int(done))
            if failed:
                record_failures(failures)
            if stops:
                return None
    # Where there are more processes than images, a process has none.
    all_scores = processes.gather(torch.cat([*scores, torch.empty(0, num_classes)]))
    all_labels = processes.gather(torch.cat([*labels, torch.empty(0, dtype=torch.int64)]))
    return _evaluate_scores(all_scores, all_labels)


def _evaluate_scores(scores: Tensor, labels: Tensor) -> Validation:
    n = len(labels)
    if not n:
        raise DataError("none of the validation images could be read")
    if not bool(scores.isfinite().all()):
        raise NumericsError("the scores of validation images are not finite: start again with lower rates")
    predicted = scores.topk(min(5, scores.shape[1]), dim=1).indices  # [n, <= 5]
    correct = predicted == labels[:, None]
    return Validation(
        images=n,
        loss=float(cross_entropy(scores, labels)),
        top1=float(correct[:, 0].double().mean()),
        top5=float(correct.any(1).double().mean()),
        temperature=fit_temperature(scores, labels),
    )
