"""What commands print for people: results on stdout as tables, failures on stderr."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from birdnet_cli.cli.console import stderr, stdout

if TYPE_CHECKING:
    from birdnet_cli.core.engine.bench_extract import PipelineRates
    from birdnet_cli.core.engine.bench_head import HeadComparison
    from birdnet_cli.core.engine.demo import DemoReport
    from birdnet_cli.core.engine.doctor import Check
    from birdnet_cli.core.engine.metrics import Evaluation
    from birdnet_cli.core.engine.train_head import TrainedHead

__all__ = [
    "print_checks",
    "print_counts",
    "print_cross_validation",
    "print_demo",
    "print_evaluation",
    "print_failures",
    "print_fields",
    "print_head_comparison",
    "print_rates",
]

SHOWN = 10
COLOURS = {"ok": "green", "absent": "yellow", "missing": "red"}


def print_failures(failures: Sequence[str]) -> None:
    """Name every image that could not be read."""
    stderr.print(Text(f"{len(failures)} images could not be read:"))
    for line in failures:
        stderr.print(Text(f"  {line.encode('utf-8', 'backslashreplace').decode()}"), soft_wrap=True)


def print_cross_validation(trained: "TrainedHead") -> None:
    """Show how each C did on the images that its folds left out."""
    if not trained.fit.cross_validation:
        return
    table = _table("C", "accuracy", "± over folds", "loss")
    for row in trained.fit.cross_validation:
        chosen = "bold" if row.C == trained.fit.C else ""
        table.add_row(f"{row.C:.4g}", f"{row.accuracy:.2%}", f"{row.std:.2%}", f"{row.loss:.4f}", style=chosen)
    stderr.print(table)


def print_evaluation(figures: "Evaluation") -> None:
    """Show top-1, top-5, the classes with the lowest recall and the most frequent confusions."""
    if figures.failed:
        print_failures(figures.failed)
    stdout.print(f"top-1 {figures.top1:.2%}   top-5 {figures.top5:.2%}   {figures.n} images")
    seen = [row for row in figures.per_class if row.recall is not None]
    table = _table("lowest recall", "recall", "precision", "images")
    for row in sorted(seen, key=lambda one: (one.recall, one.name))[:SHOWN]:
        table.add_row(Text(row.name), _percent(row.recall), _percent(row.precision), str(row.n))
    stdout.print(table)
    if figures.confusions:
        pairs = _table("true", "called", "times")
        for pair in figures.confusions[:SHOWN]:
            pairs.add_row(Text(pair.true), Text(pair.predicted), str(pair.count))
        stdout.print(pairs)


def print_counts(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> None:
    """Show how many images each class has in each split."""
    table = _table("class", *counts)
    for label, name in enumerate(classes):
        table.add_row(Text(name), *(str(per_class[label]) for per_class in counts.values()))
    table.add_row("all", *(str(sum(per_class)) for per_class in counts.values()), style="bold")
    stdout.print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Show a mapping, nested ones with dotted names."""
    table = _table("field", "value")
    for name, value in _leaves(fields):
        table.add_row(Text(name), Text(str(value)))
    stdout.print(table)


def print_checks(checks: Iterable["Check"]) -> None:
    """Show what an installation has and lacks."""
    table = _table("", "what", "found", "what to do")
    for check in checks:
        state = Text(check.status, style=COLOURS[check.status])
        table.add_row(state, Text(check.name), Text(check.detail), Text(check.remedy))
    stdout.print(table)


def print_rates(rates: Sequence["PipelineRates"]) -> None:
    """Show images per second of the pipeline and of the backbone alone."""
    table = _table("precision", "pipeline, images/s", "backbone alone", "pipeline / backbone")
    for row in rates:
        table.add_row(row.precision, f"{row.pipeline:.2f}", f"{row.backbone:.2f}", f"{row.efficiency:.1%}")
    stdout.print(table)


def print_head_comparison(found: "HeadComparison") -> None:
    """Show both heads' seconds and objectives, and how often they agree."""
    stdout.print(
        f"{found.head}, C = {found.C:.4g}: {found.images:,} images x {found.dims:,} values, {found.classes} classes"
    )
    table = _table("solver", "seconds", "objective")
    table.add_row("fbn", f"{found.seconds:.2f}", f"{found.objective:.8g}")
    state = "" if found.converged else " (did not converge)"
    table.add_row(found.rival + state, f"{found.rival_seconds:.2f}", f"{found.rival_objective:.8g}")
    stdout.print(table)
    agreement = "no test image" if found.agreement is None else f"{found.agreement:.2%} of {found.tested} test images"
    stdout.print(
        f"{found.speedup:.1f}x as fast; objectives differ by {found.difference:+.1e}; same class on {agreement}"
    )


def print_demo(report: "DemoReport") -> None:
    """Show the demo's accuracies and times, one prediction, the files it left and what to try next."""
    table = _table("pooling", "dimensions", "test top-1", "test top-5", "head solved in")
    for row in report.rows:
        figures = row.evaluation
        shares = (f"{share:.1%}" for share in (figures.top1, figures.top5))
        table.add_row(row.pooling, f"{row.dim:,}", *shares, f"{row.seconds:.1f} s")
    stdout.print()
    stdout.print(table)
    measured = report.rows[0].evaluation
    stdout.print(
        f"{report.train_images} training and {measured.n} test images, {len(measured.per_class)} classes; "
        f"one pass over the backbone: {report.extract_seconds:.1f} s"
    )
    stdout.print(Text(f"\n{report.prediction.path} shows: {report.truth}"), soft_wrap=True)
    for guess in report.prediction.top:
        stdout.print(Text(f"  {guess.prob:7.2%}  {guess.label}"))
    stdout.print("\nIt left:")
    for name, purpose in report.files.items():
        stdout.print(Text(f"  {name}  {purpose}"), soft_wrap=True)
    stdout.print("\nTry next, with your own pictures in one folder per class:")
    for command in report.next_commands():
        stdout.print(Text(f"  {command}"), soft_wrap=True)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
