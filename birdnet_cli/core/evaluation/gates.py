"""`--fail-under` texts such as `top1=0.9,recall[Fox_Sparrow]=0.8,ece<=0.03` -> gates, and whether each gate holds.

A gate tests the unfavourable limit of the 95% interval, not the value: a lucky small sample does not pass.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.evaluation.evaluation import Evaluation
from birdnet_cli.core.evaluation.intervals import Estimate

__all__ = ["Gate", "Verdict", "check_gates", "parse_gates", "resolve_gates"]

METRICS = ("top1", "top5", "macro_recall", "macro_precision", "ece", "nll")
PER_CLASS = ("recall", "precision")
# Metrics that are better when lower; all others are better when higher.
LOWER = ("ece", "nll")
EXPECTED = (
    "expected METRIC=VALUE, separated by commas, with METRIC one of top1, top5, macro_recall, macro_precision, "
    "recall[CLASS], precision[CLASS], or ece<=VALUE, nll<=VALUE"
)
# A class name may hold commas and brackets: it ends at the first `]` that a comparison follows.
GATE = re.compile(
    r"\s*(?P<metric>\w+)\s*(?:\[(?P<name>.*?)\])?\s*(?P<relation><=|>=|=)\s*(?P<value>[^\s,<>=\[\]]+)\s*(?:,|\Z)", re.S
)
NUMBER_OF_CLASS = re.compile(r"\d+\.")


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on one metric.

    Attributes:
        metric: a name of `METRICS` or `PER_CLASS`.
        class_name: the class of a `PER_CLASS` metric; None for `METRICS`.
        threshold: limit that the metric must reach, or must not exceed if lower is better.
    """

    metric: str
    class_name: str | None
    threshold: float

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric must not exceed the threshold."""
        return self.metric in LOWER

    def __str__(self) -> str:
        name = "" if self.class_name is None else f"[{self.class_name}]"
        return f"{self.metric}{name}{'<=' if self.lower_is_better else '>='}{self.threshold:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's result; `estimate` is None if there is no image to measure it on."""

    gate: Gate
    estimate: Estimate | None
    passed: bool

    def line(self) -> str:
        """Return a line of text with the measured value and the limit of its interval that decided."""
        gate, estimate = self.gate, self.estimate
        verdict = "passed" if self.passed else "failed"
        if estimate is None:
            return f"gate {verdict}: {gate}: no image to measure it on"
        counts = f" ({estimate.part:,} of {estimate.whole:,})" if estimate.whole is not None else ""
        low, high = estimate.interval
        relation = (
            f"upper limit {high:.4f} is {'above' if high > gate.threshold else 'not above'}"
            if gate.lower_is_better
            else f"lower limit {low:.4f} is {'below' if low < gate.threshold else 'not below'}"
        )
        return (
            f"gate {verdict}: {gate}: measured {estimate.value:.4f}{counts}, 95% interval {low:.4f} to {high:.4f}; "
            f"its {relation} {gate.threshold:g}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        value, limits = None, None
        if self.estimate is not None:
            value = self.estimate.value
            limits = [limit if math.isfinite(limit) else None for limit in self.estimate.interval]
        return {"gate": str(self.gate), "value": value, "interval": limits, "passed": self.passed}


def parse_gates(texts: Iterable[str]) -> tuple[Gate, ...]:
    """Read gates; class names are not looked up yet.

    Raises:
        UsageError: a text is not a list of gates, or a threshold is out of range.
        UnknownNameError: a metric does not exist; near matches are named.
    """
    return tuple(gate for text in texts for gate in _parse_text(text))


def resolve_gates(gates: Iterable[Gate], classes: Sequence[str]) -> tuple[Gate, ...]:
    """Return the gates with their classes' full names.

    A class may be written without the number that CUB's names begin with (`Fox_Sparrow` for `113.Fox_Sparrow`), if
    exactly one class matches.

    Raises:
        UnknownNameError: the model does not have a gate's class; near matches are named.
    """
    resolved = []
    for gate in gates:
        name = gate.class_name
        if name is not None and name not in classes:
            bare = [known for known in classes if NUMBER_OF_CLASS.sub("", known, count=1) == name]
            if len(bare) != 1:
                raise UnknownNameError(f"class in --fail-under {gate.metric}", name, classes)
            name = bare[0]
        resolved.append(Gate(gate.metric, name, gate.threshold))
    return tuple(resolved)


def check_gates(gates: Iterable[Gate], evaluation: Evaluation) -> tuple[Verdict, ...]:
    """Test resolved gates.

    A recall gate whose class has no image fails, and so does a precision gate whose class was never predicted.
    """
    per_class = {row.name: row for row in evaluation.per_class}
    verdicts = []
    for gate in gates:
        estimate: Estimate | None
        if gate.class_name is None:
            estimate = evaluation.estimates[gate.metric] if evaluation.n else None
        else:
            row = per_class[gate.class_name]
            whole = row.n if gate.metric == "recall" else row.predicted
            estimate = Estimate.share(row.correct, whole) if whole else None
        verdicts.append(Verdict(gate, estimate, estimate is not None and _holds(gate, estimate)))
    return tuple(verdicts)


def _holds(gate: Gate, estimate: Estimate) -> bool:
    low, high = estimate.interval
    return high <= gate.threshold if gate.lower_is_better else low >= gate.threshold


def _parse_text(text: str) -> Iterable[Gate]:
    place = 0
    while place < len(text) or not text:
        found = GATE.match(text, place)
        if found is None:
            raise UsageError(f"--fail-under '{text[place:]}': {EXPECTED}")
        yield _build_gate(found)
        place = found.end()


def _build_gate(found: re.Match[str]) -> Gate:
    written = found[0].strip().removesuffix(",")
    metric, name, relation = found["metric"], found["name"], found["relation"]
    if metric not in METRICS + PER_CLASS:
        raise UnknownNameError("metric in --fail-under", metric, METRICS + PER_CLASS)
    if (name is None) == (metric in PER_CLASS):
        form = f"{metric}[CLASS]=VALUE" if metric in PER_CLASS else f"{metric} without a class"
        raise UsageError(f"--fail-under {written}: expected {form}")
    if (relation == "<=") != (metric in LOWER):
        better, sign = ("lower", "<=") if metric in LOWER else ("higher", "= or >=")
        raise UsageError(f"--fail-under {written}: {metric} is better when {better}: expected {sign}")
    try:
        threshold = float(found["value"])
    except ValueError:
        threshold = math.nan
    if not 0 <= threshold <= (math.inf if metric == "nll" else 1) or math.isinf(threshold):
        within = "0 or more" if metric == "nll" else "a fraction from 0 to 1"
        raise UsageError(f"--fail-under {written}: expected {within}, got {found['value']!r}")
    return Gate(metric, name, threshold)
