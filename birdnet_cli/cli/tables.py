"""What commands print for people: results on stdout as tables, failures on stderr."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from birdnet_cli.cli.console import stderr, stdout

if TYPE_CHECKING:
    from birdnet_cli.core.bench.data import DataRates
    from birdnet_cli.core.bench.extraction import PipelineRates
    from birdnet_cli.core.bench.head import HeadComparison
    from birdnet_cli.core.bench.ops import OpReport, PassRow
    from birdnet_cli.core.demo.demo import DemoReport
    from birdnet_cli.core.engine.audit import Audit
    from birdnet_cli.core.engine.doctor import Check
    from birdnet_cli.core.engine.neighbors import Neighborhood
    from birdnet_cli.core.engine.train_head import TrainedHead

__all__ = [
    "print_audit",
    "print_checks",
    "print_counts",
    "print_cross_validation",
    "print_data_rates",
    "print_demo",
    "print_failures",
    "print_fields",
    "print_head_comparison",
    "print_neighbors",
    "print_op_report",
    "print_rates",
]

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


def print_op_report(report: "OpReport") -> None:
    """Show the machine and its ceilings, then the times of every contender, shape by shape."""
    machine, gemm = report.machine, report.ceilings.gemm
    stdout.print(
        f"{machine['device']} ({machine['name']}), {machine['threads']} threads, torch {machine['torch']}; "
        f"matrix product {', '.join(f'{rate / 1e9:,.0f} GFLOP/s in {dtype}' for dtype, rate in gemm.items())}; "
        f"copy {report.ceilings.copy / 1e9:,.1f} GB/s"
    )
    for op in dict.fromkeys(row.op for row in report.rows):
        stdout.print(f"\n{op}: fbn is {machine['fbn runs'].get(op, 'not there')}")
        figures = ("speed", "GEMM", "MB")
        table = _table("shape", "input", "contender", "forward, ms", *figures, "with gradient, ms", *figures)
        for row in (one for one in report.rows if one.op == op):
            table.add_row(row.shape, row.dtype, row.contender, *_pass_cells(row.forward), *_pass_cells(row.both))
        stdout.print(table)
    stdout.print(
        "\nspeed: of eager in float32 on the same shape; GEMM: rate of the leanest arithmetic, of the matrix product "
        "in that dtype;\nMB: most memory in use beyond the input"
    )


def print_data_rates(rates: "DataRates") -> None:
    """Show images per second of the loader and of each step alone."""
    table = _table("step", "images/s")
    table.add_row(f"all, {rates.workers} processes" if rates.workers else "all, this process", f"{rates.load:,.0f}")
    for name, rate in (("read", rates.read), ("decode", rates.decode), ("resize", rates.resize)):
        table.add_row(f"{name} alone, one process", f"{rate:,.0f}")
    stdout.print(table)


def print_head_comparison(found: "HeadComparison") -> None:
    """Show both heads' seconds and objectives, and how often they agree."""
    stdout.print(
        f"{found.head}, C = {found.C:.4g}: {found.images:,} images x {found.dims:,} values, {found.classes} classes"
    )
    table = _table("solver", "seconds", "objective")
    table.add_row("fbn", f"{found.seconds:.2f}", f"{found.objective:.8g}")
    state = f", tol {found.tolerance:g}" + ("" if found.converged else " (did not converge)")
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


def _pass_cells(figures: "PassRow") -> list[str]:
    return [
        f"{figures.seconds * 1e3:.2f}",
        "-" if figures.speed is None else f"{figures.speed:.2f}x",
        f"{figures.gemm_share:.0%}",
        "-" if figures.extra_bytes is None else f"{figures.extra_bytes / 1e6:.1f}",
    ]


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def print_neighbors(found: "Neighborhood") -> None:
    """Show one image's neighbours by falling similarity."""
    stdout.print(Text(found.path, style="bold"))
    if found.error is not None:
        stdout.print(Text(f"error: {found.error}\n"))
        return
    for path in found.same:
        stdout.print(Text(f"the same file as {path}"))
    table = _table("similarity", "class", "image")
    for one in found.neighbors:
        table.add_row(f"{one.similarity:.3f}", Text(one.label), Text(one.path))
    stdout.print(table)
    stdout.print()


def print_audit(found: "Audit", *, most: int) -> None:
    """Show how many findings there are of each kind, and the clearest of them."""
    shown: dict[str, int] = {}
    table = _table("kind", "score", "image", "class", "rather, or the same as")
    for row in found.to_rows():
        shown[row["kind"]] = shown.get(row["kind"], 0) + 1
        if shown[row["kind"]] > most:
            continue
        other = row["suggestion"] or row["other"]
        if row["other"] and (row["other_split"], row["other_label"]) != (row["split"], row["label"]):
            other += f" ({row['other_split']}: {row['other_label']})"
        table.add_row(row["kind"], f"{row['score']:.3f}", Text(row["path"]), Text(row["label"]), Text(other))
    if found.findings:
        stdout.print(table)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in found.counts().items())
    stdout.print(f"{len(found.names):,} images: {counted}, {len(found.unreadable):,} unreadable")
    if found.accuracy is not None:
        stdout.print(f"{found.accuracy:.2%} of the labels are what heads say that have not seen the image")
