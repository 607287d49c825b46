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
        columns = ("speed", "GEMM", "MB")
        table = create_table("shape", "input", "contender", "forward, ms", *columns, "with gradient, ms", *columns)
        for row in (row for row in report.rows if row.op == op):
            table.add_row(row.shape, row.dtype, row.contender, *_pass_cells(row.forward), *_pass_cells(row.both))
        stdout.print(table)
    stdout.print(
        "\nspeed: relative to eager in float32 on the same shape; GEMM: rate of the leanest arithmetic, relative to "
        "the matrix product in that dtype;\nMB: peak memory beyond the input"
    )


def print_data_rates(rates: "DataRates") -> None:
    """Show images per second of the loader and of each of its steps alone."""
    table = create_table("step", "images/s")
    table.add_row(f"all, {rates.workers} processes" if rates.workers else "all, this process", f"{rates.load:,.0f}")
    for name, rate in (("read", rates.read), ("decode", rates.decode), ("resize", rates.resize)):
        table.add_row(f"{name} alone, one process", f"{rate:,.0f}")
    stdout.print(table)


def print_head_comparison(comparison: "HeadComparison") -> None:
    """Show the seconds and objectives of both heads, and the share of images that they predict alike."""
    stdout.print(
        f"{comparison.head}, C = {comparison.C:.4g}: {comparison.images:,} images x {comparison.dims:,} values, "
        f"{comparison.classes} classes"
    )
    table = create_table("solver", "seconds", "objective")
    table.add_row("fbn", f"{comparison.seconds:.2f}", f"{comparison.objective:.8g}")
    state = f", tol {comparison.tolerance:g}" + ("" if comparison.converged else " (did not converge)")
    table.add_row(comparison.rival + state, f"{comparison.rival_seconds:.2f}", f"{comparison.rival_objective:.8g}")
    stdout.print(table)
    agreement = (
        "no test image"
        if comparison.agreement is None
        else f"{comparison.agreement:.2%} of {comparison.tested} test images"
    )
    stdout.print(
        f"{comparison.speedup:.1f}x as fast; objectives differ by {comparison.difference:+.1e}; "
        f"same class on {agreement}"
    )


def _pass_cells(measured: "PassRow") -> list[str]:
    return [
        f"{measured.seconds * 1e3:.2f}",
        "-" if measured.speed is None else f"{measured.speed:.2f}x",
        f"{measured.gemm_share:.0%}",
        "-" if measured.extra_bytes is None else f"{measured.extra_bytes / 1e6:.1f}",
    ]
