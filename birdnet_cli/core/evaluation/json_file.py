"""An evaluation <-> one JSON document: metrics first, for people and scripts, then one line per image.

Every `*_interval` is [low, high], with null for an unknown limit. Reading takes `classes`, `images` and the lists of
failed images and duplicates; the metrics are computed again.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.evaluation.calibration_error import BINS
from birdnet_cli.core.evaluation.evaluation import Evaluation
from birdnet_cli.core.evaluation.intervals import CONFIDENCE, Estimate, Interval, wilson_interval
from birdnet_cli.core.evaluation.outcomes import KEPT, Outcomes
from birdnet_cli.core.evaluation.split_overlap import Copy, Duplicate

__all__ = ["METHODS", "describe_evaluation", "read_evaluation", "serialise_evaluation"]

FORMAT = "fbn-evaluation-1"
METHODS = {
    "confidence": f"{CONFIDENCE:.0%}",
    "top1, top5, recall, precision, accuracy": "Wilson score interval of a share",
    "macro_recall, macro_precision": "Wilson score interval at the effective number of images (Kish 1965)",
    "ece": f"{BINS} bins of equal width over the confidence; sum of (n_bin / n) |accuracy - mean confidence|; "
    "normal interval, whose lower limit also takes off what chance can have added",
    "nll": "mean of -log p(true class) in nats; normal interval of a mean",
}


def describe_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Return the metrics as a JSON object, without the images."""
    return {
        "format": FORMAT,
        "data": evaluation.data,
        "split": evaluation.split,
        **_overall_metrics(evaluation),
        "per_class": {
            row.name: {
                "n": row.n,
                "recall": row.recall,
                "precision": row.precision,
                "predicted": row.predicted,
                "correct": row.correct,
                # The names of the two counts in files of fbn 0.1.0.
                "called": row.predicted,
                "right": row.correct,
                "recall_interval": _limits(row.recall_interval),
                "precision_interval": _limits(row.precision_interval),
            }
            for row in evaluation.per_class
        },
        "confusions": [
            {"true": pair.true, "predicted": pair.predicted, "count": pair.count} for pair in evaluation.confusions
        ],
        "failed": list(evaluation.failed),
        "reliability": [
            {
                "low": bin.low,
                "high": bin.high,
                "n": bin.n,
                "confidence": bin.confidence,
                "accuracy": bin.accuracy,
                "accuracy_interval": _limits(wilson_interval(bin.correct, bin.n) if bin.n else None),
            }
            for bin in evaluation.reliability
        ],
        "coverage": [
            {
                "threshold": point.threshold,
                "coverage": point.coverage,
                "n": point.n,
                "accuracy": point.accuracy,
                "accuracy_interval": _limits(point.interval),
            }
            for point in evaluation.coverage
        ],
        "duplicates": [
            {"name": image.name, "copies": [{"split": copy.split, "name": copy.name} for copy in image.copies]}
            for image in evaluation.duplicates
        ],
        "without_duplicates": _overall_metrics(evaluation.without_duplicates),
        "methods": METHODS,
        "model": dict(evaluation.model),
    }


def serialise_evaluation(evaluation: Evaluation, **additions: Any) -> Iterator[str]:
    """Yield the document in pieces of text, ASCII only, that `read_evaluation` reads back; one line per image.

    Args:
        evaluation: the evaluation to write.
        additions: further keys beside the metrics, such as `gates`.
    """
    metrics = json.dumps(describe_evaluation(evaluation) | additions | {"classes": evaluation.classes}, indent=1)
    yield metrics.removesuffix("\n}") + ',\n "images": ['
    outcomes = evaluation.outcomes
    separator = "\n"
    rows = zip(
        outcomes.names, outcomes.digests, outcomes.labels.tolist(), outcomes.top.tolist(),
        outcomes.probs, outcomes.losses, strict=True,
    )  # fmt: skip
    for name, digest, label, top, probs, loss in rows:
        row = {
            "name": name,
            "sha256": digest.tobytes().hex(),
            "label": label,
            "top": top,
            # str gives the shortest text that reads back as the same float32.
            "probs": [float(str(prob)) for prob in probs],
            "loss": float(str(loss)),
        }
        yield f"{separator}  {json.dumps(row)}"
        separator = ",\n"
    yield "\n ]\n}\n"


def read_evaluation(path: Path) -> Evaluation:
    """Read a file that `serialise_evaluation` wrote.

    Raises:
        DataError: there is no such file, it is not such a document, or its images do not fit its classes.
        OSError: the file cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; fbn evaluate --json FILE writes evaluations") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: expected an evaluation from fbn evaluate --json, but it is not JSON: {error}"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise DataError(f"{path}: expected an evaluation from fbn evaluate --json ({FORMAT}), found {found!r}")
    try:
        return Evaluation(
            classes=tuple(map(str, document["classes"])),
            outcomes=_read_outcomes(document["images"], len(document["classes"])),
            failed=tuple(map(str, document["failed"])),
            duplicates=tuple(
                Duplicate(image["name"], tuple(Copy(copy["split"], copy["name"]) for copy in image["copies"]))
                for image in document["duplicates"]
            ),
            data=str(document["data"]),
            split=str(document["split"]),
            model=dict(document["model"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: a damaged evaluation of fbn evaluate --json: {type(error).__name__}: {error}"
        ) from error


def _read_outcomes(images: list[dict[str, Any]], K: int) -> Outcomes:
    n, k = len(images), min(KEPT, K)
    outcomes = Outcomes(
        names=tuple(str(row["name"]) for row in images),
        digests=np.frombuffer(bytes.fromhex("".join(row["sha256"] for row in images)), np.uint8).reshape(n, 32),
        labels=np.array([row["label"] for row in images], np.int32).reshape(n),
        top=np.array([row["top"] for row in images], np.int32).reshape(n, k),
        probs=np.array([row["probs"] for row in images], np.float32).reshape(n, k),
        losses=np.array([row["loss"] for row in images], np.float32).reshape(n),
    )
    for column in (outcomes.labels, outcomes.top):
        if n and not 0 <= column.min() <= column.max() < K:
            raise ValueError(f"a class index is outside 0 to {K - 1}")
    if not (np.isfinite(outcomes.probs).all() and np.isfinite(outcomes.losses).all()):
        raise ValueError("a probability is not finite")
    return outcomes


def _overall_metrics(evaluation: Evaluation) -> dict[str, Any]:
    estimates: Mapping[str, Estimate] = evaluation.estimates
    values: dict[str, Any] = {"n": evaluation.n}
    for name, estimate in estimates.items():
        values |= {name: estimate.value, f"{name}_interval": _limits(estimate.interval)}
    return values


def _limits(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [limit if math.isfinite(limit) else None for limit in interval]
