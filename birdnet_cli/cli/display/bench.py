"""What `fbn bench` prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from birdnet_cli.cli.display.console import stdout
from birdnet_cli.cli.display.tables import create_table

if TYPE_CHECKING:
    from birdnet_cli.core.bench.data import DataRates
    from birdnet_cli.core.bench.extraction import PipelineRates
    from birdnet_cli.core.bench.head import HeadComparison
    from birdnet_cli.core.bench.ops import OpReport, PassRow

__all__ = ["print_data_rates", "print_head_comparison", "print_op_report", "print_rates"]


def print_rates(rates: Sequence["PipelineRates"]) -> None:
    """Show images per second of the pipeline and of the backbone alone."""
    table = create_table("precision", "pipeline, images/s", "backbone alone", "pipeline / backbone")
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
        table = create_table("shape", "input", "contender", "forward, ms", *figures, "with gradient, ms", *figures)
        for row in (one for one in report.rows if one.op == op):
            table.add_row(row.shape, row.dtype, row.contender, *_pass_cells(row.forward), *_pass_cells(row.both))
        stdout.print(table)
    stdout.print(
        "\nspeed: of eager in float32 on the same shape; GEMM: rate of the leanest arithmetic, of the matrix product "
        "in that dtype;\nMB: most memory in use beyond the input"
    )


def print_data_rates(rates: "DataRates") -> None:
    """Show images per second of the loader and of each step alone."""
    table = create_table("step", "images/s")
    table.add_row(f"all, {rates.workers} processes" if rates.workers else "all, this process", f"{rates.load:,.0f}")
    for name, rate in (("read", rates.read), ("decode", rates.decode), ("resize", rates.resize)):
        table.add_row(f"{name} alone, one process", f"{rate:,.0f}")
    stdout.print(table)


def print_head_comparison(found: "HeadComparison") -> None:
    """Show both heads' seconds and objectives, and how often they agree."""
    stdout.print(
        f"{found.head}, C = {found.C:.4g}: {found.images:,} images x {found.dims:,} values, {found.classes} classes"
    )
    table = create_table("solver", "seconds", "objective")
    table.add_row("fbn", f"{found.seconds:.2f}", f"{found.objective:.8g}")
    state = f", tol {found.tolerance:g}" + ("" if found.converged else " (did not converge)")
    table.add_row(found.rival + state, f"{found.rival_seconds:.2f}", f"{found.rival_objective:.8g}")
    stdout.print(table)
    agreement = "no test image" if found.agreement is None else f"{found.agreement:.2%} of {found.tested} test images"
    stdout.print(
        f"{found.speedup:.1f}x as fast; objectives differ by {found.difference:+.1e}; same class on {agreement}"
    )


def _pass_cells(figures: "PassRow") -> list[str]:
    return [
        f"{figures.seconds * 1e3:.2f}",
        "-" if figures.speed is None else f"{figures.speed:.2f}x",
        f"{figures.gemm_share:.0%}",
        "-" if figures.extra_bytes is None else f"{figures.extra_bytes / 1e6:.1f}",
    ]
