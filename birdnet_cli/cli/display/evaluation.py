"""What `fbn evaluate` and `fbn compare` print: shares with their intervals on stdout, failures on stderr."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from birdnet_cli.cli.display.console import stderr, stdout
from birdnet_cli.cli.display.printable import printable
from birdnet_cli.cli.display.tables import create_table, print_failures

if TYPE_CHECKING:
    from birdnet_cli.core.evaluation import Change, Comparison, Evaluation, Interval, Verdict

__all__ = ["print_comparison", "print_evaluation", "print_verdicts"]

SHOWN = 10
SURE = 0.99
METHODS = (
    "95% intervals: Wilson for shares (macro: at the effective number of images), normal for calibration error and loss"
)


def print_evaluation(evaluation: "Evaluation") -> None:
    """Show the shares over all images, the classes with the lowest recall and the most frequent confusions."""
    from birdnet_cli.core.evaluation import widest_coverage

    if evaluation.failed:
        print_failures(evaluation.failed)
    stdout.print(f"top-1 {evaluation.top1:.2%}   top-5 {evaluation.top5:.2%}   {evaluation.n} images")
    table = create_table("", "", "95% interval")
    titles = {"top1": "top-1", "top5": "top-5", "macro_recall": "macro recall", "macro_precision": "macro precision"}
    for name, title in titles.items():
        estimate = evaluation.estimates[name]
        table.add_row(title, f"{estimate.value:.2%}", _range(estimate.interval))
    ece, nll = evaluation.estimates["ece"], evaluation.estimates["nll"]
    table.add_row("calibration error", f"{ece.value:.2%}", _range(ece.interval))
    table.add_row("log loss", f"{nll.value:.4f}", f"{nll.interval.low:.4f} to {nll.interval.high:.4f}")
    stdout.print(table)
    stdout.print(Text(METHODS, style="dim"), soft_wrap=True)
    point = widest_coverage(evaluation.outcomes, SURE)
    if point is not None:
        stdout.print(
            f"{SURE:.0%} correct on the surest {point.coverage:.2%} of the images: those predicted with "
            f"{point.threshold:.2%} or more",
            soft_wrap=True,
        )
    _print_duplicates(evaluation)
    seen = [row for row in evaluation.per_class if row.recall is not None]
    classes = create_table("lowest recall", "recall", "95% interval", "precision", "95% interval", "images")
    for row in sorted(seen, key=lambda row: (row.recall, row.name))[:SHOWN]:
        classes.add_row(
            Text(printable(row.name)), _percent(row.recall), _range(row.recall_interval), _percent(row.precision),
            _range(row.precision_interval), str(row.n),
        )  # fmt: skip
    stdout.print(classes)
    if evaluation.confusions:
        pairs = create_table("true", "predicted", "times")
        for pair in evaluation.confusions[:SHOWN]:
            pairs.add_row(Text(printable(pair.true)), Text(printable(pair.predicted)), str(pair.count))
        stdout.print(pairs)


def print_verdicts(verdicts: Sequence["Verdict"]) -> None:
    """Show a line per gate: failed gates on stderr, passed gates on stdout."""
    for verdict in verdicts:
        (stdout if verdict.passed else stderr).print(Text(printable(verdict.line())), soft_wrap=True)


def print_comparison(comparison: "Comparison", a: str, b: str) -> None:
    """Show both accuracies, the paired test, the classes that changed most and the images that changed."""
    n = comparison.n
    stdout.print(Text(printable(f"A {a}\nB {b}")), soft_wrap=True)
    stdout.print(f"top-1 of {n} images: A {comparison.correct_a / n:.2%}, B {comparison.correct_b / n:.2%}")
    low, high = comparison.interval
    stdout.print(
        f"B - A = {100 * comparison.difference:+.2f} points, 95% interval {100 * low:+.2f} to {100 * high:+.2f} "
        f"(Tango); McNemar's exact test: p = {comparison.p_value:.3g}",
        soft_wrap=True,
    )
    stdout.print(
        f"{len(comparison.fixed)} images correct in B alone, {len(comparison.broken)} in A alone; "
        f"{comparison.otherwise_wrong} wrong in both, with different predictions"
    )
    for name, missing in (("A", comparison.only_in_a), ("B", comparison.only_in_b)):
        if missing:
            stderr.print(
                Text(printable(f"{len(missing)} images are only in {name} and left out, such as {missing[0]}")),
                soft_wrap=True,
            )
    changed = [row for row in comparison.per_class if row.fixed or row.broken]
    if changed:
        table = create_table("class", "images", "recall A", "recall B", "points", "95% interval", "fixed", "broken")
        for row in sorted(changed, key=lambda row: (-abs(row.difference), row.name))[:SHOWN]:
            table.add_row(
                Text(printable(row.name)), str(row.n), f"{row.correct_a / row.n:.1%}", f"{row.correct_b / row.n:.1%}",
                f"{100 * row.difference:+.1f}", f"{100 * row.interval.low:+.1f} to {100 * row.interval.high:+.1f}",
                str(row.fixed), str(row.broken),
            )  # fmt: skip
        stdout.print(table)
    for title, changes in (("correct in B alone", comparison.fixed), ("correct in A alone", comparison.broken)):
        _print_changes(title, changes)


def _print_changes(title: str, changes: Sequence["Change"]) -> None:
    if not changes:
        return
    table = create_table(title, "true", "predicted by A", "predicted by B")
    for change in changes[:SHOWN]:
        table.add_row(
            Text(printable(change.name)),
            Text(printable(change.true)),
            Text(f"{printable(change.predicted_a)} {change.prob_a:.0%}"),
            Text(f"{printable(change.predicted_b)} {change.prob_b:.0%}"),
        )
    stdout.print(table)
    if len(changes) > SHOWN:
        stdout.print(f"and {len(changes) - SHOWN} more; --json lists them all")


def _print_duplicates(evaluation: "Evaluation") -> None:
    if not evaluation.duplicates:
        return
    splits = sorted({copy.split for image in evaluation.duplicates for copy in image.copies})
    stderr.print(f"{len(evaluation.duplicates)} of the images are also in another split ({', '.join(splits)}):")
    for image in evaluation.duplicates[:SHOWN]:
        copies = ", ".join(f"{copy.split}: {copy.name}" for copy in image.copies)
        stderr.print(Text(printable(f"  {image.name} = {copies}")), soft_wrap=True)
    if len(evaluation.duplicates) > SHOWN:
        stderr.print(f"  and {len(evaluation.duplicates) - SHOWN} more; --json lists them all")
    rest = evaluation.without_duplicates
    top1 = rest.estimates["top1"]
    stdout.print(
        f"without the {len(evaluation.duplicates)} images that are also in another split: "
        f"top-1 {top1.value:.2%} ({_range(top1.interval)})   top-5 {rest.top5:.2%}   {rest.n} images",
        soft_wrap=True,
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _range(interval: "Interval | None") -> str:
    return "-" if interval is None else f"{interval.low:.2%} to {interval.high:.2%}"
