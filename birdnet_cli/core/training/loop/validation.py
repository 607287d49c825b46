"""A classifier on the validation images, shared among the processes -> loss, top-1, top-5 and a temperature."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import EvaluationBatches, Failure
from birdnet_cli.core.errors import DataError, NumericsError
from birdnet_cli.core.heads import fit_temperature
from birdnet_cli.core.training.counters import Figures
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.setup.classifier import Classifier

__all__ = ["validate"]


@torch.no_grad()
def validate(
    classifier: Classifier,
    batches: EvaluationBatches,
    *,
    processes: Processes,
    num_classes: int,
    stopping: Callable[[], bool],
    take_failures: Callable[[Sequence[Failure]], None],
    advance: Callable[[int], None],
) -> Figures | None:
    """Compute the figures over every image once, however many processes there are.

    Args:
        classifier: the same in every process, save for BatchNorm's statistics, which become rank 0's.
        batches: this process's part.
        processes: who has the others.
        num_classes: K.
        take_failures: told, in every process, of this one's images that could not be read, if any process has some.
        stopping: asked between batches, in every process, whether to give up.
        advance: told the images done, of all processes.

    Returns:
        The figures, equal in every process, or None if one of the processes wanted to stop.

    Raises:
        DataError: no image could be read.
        NumericsError: a score is not finite.
    """
    classifier.eval()
    processes.broadcast([buffer for buffer in classifier.buffers() if buffer.is_floating_point()])
    scores: list[Tensor] = []
    labels: list[Tensor] = []
    mine = iter(batches)
    # Rank 0 has the most batches; the others take part in every question.
    (rounds,) = processes.sum([len(batches) if processes.rank == 0 else 0])
    for _ in range(int(rounds)):
        batch = next(mine, None)
        if batch is not None and len(batch.labels):
            scores.append(classifier(batch.images.to(processes.device)).float().cpu())
            labels.append(batch.labels)
        failures = batch.failures if batch is not None else []
        seen = len(failures) + (len(batch.labels) if batch is not None else 0)
        done, failed, wish = processes.sum([seen, len(failures), stopping()])
        advance(int(done))
        if failed:
            take_failures(failures)
        if wish:
            return None
    # A process may have no image at all, where there are fewer of them than processes.
    all_scores = processes.gather(torch.cat([*scores, torch.empty(0, num_classes)]))
    all_labels = processes.gather(torch.cat([*labels, torch.empty(0, dtype=torch.int64)]))
    return _judge(all_scores, all_labels)


def _judge(scores: Tensor, labels: Tensor) -> Figures:
    n = len(labels)
    if not n:
        raise DataError("none of the validation images could be read")
    if not bool(scores.isfinite().all()):
        raise NumericsError("the scores of validation images are not finite: start again with lower rates")
    top = scores.topk(min(5, scores.shape[1]), dim=1).indices  # [n, <= 5]
    hits = top == labels[:, None]
    return Figures(
        images=n,
        loss=float(cross_entropy(scores, labels)),
        top1=float(hits[:, 0].double().mean()),
        top5=float(hits.any(1).double().mean()),
        temperature=fit_temperature(scores, labels),
    )
