"""`fbn evaluate`: a labelled split + model file -> figures with intervals, gates, a JSON file, an HTML report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["evaluate"]


def evaluate(
    data: Annotated[Path, typer.Argument(help="A data set of images, or a feature cache (.h5).")],
    model: options.ModelFile = None,
    sha256: options.ModelSha256 = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Which split.")] = "test",
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Also write the figures, and a line per image, to this file; fbn compare reads it.",
            metavar="FILE",
            callback=options.check_output,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Also write one self-contained HTML page (needs the [report] extra).",
            metavar="FILE",
            callback=options.check_output,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="The images of a feature cache, for the report's thumbnails.", metavar="DATA"),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 4 unless the 95% interval lies beyond: top1=0.9,recall[CLASS]=0.8,ece<=0.05; also top5, "
            "precision[CLASS], macro_recall, macro_precision, nll; repeatable.",
            metavar="GATES",
        ),
    ] = None,
    weights: Annotated[str, typer.Option(help="Backbone weights, for a model without an embedded backbone.")] = "auto",
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model: top-1, top-5, every class, calibration, and which classes it confuses."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.evaluation import print_evaluation, print_verdicts
    from birdnet_cli.core.atomic import replace_atomically
    from birdnet_cli.core.engine.evaluate import evaluate as run
    from birdnet_cli.core.evaluation import check_gates, parse_gates, resolve_gates, serialise_evaluation
    from birdnet_cli.core.model import load_model
    from birdnet_cli.core.model.library import find_model
    from birdnet_cli.core.report import require_report_extra, write_report

    # Whatever is wrong with the request is said before the work, not after it.
    gates = parse_gates(fail_under or ())
    if report is not None:
        require_report_extra()
    loaded = load_model(
        model or find_model(Path()),
        device=device or "auto",
        precision=precision or "auto",
        weights=weights,
        sha256=sha256,
    )
    gates = resolve_gates(gates, loaded.classes)
    progress = ConsoleProgress(quiet=quiet)
    figures = run(
        data,
        loaded,
        split=split,
        data_format=data_format,
        bbox=bbox,
        batch_size=16 if batch_size is None else batch_size,
        workers=2 if workers is None else workers,
        progress=progress,
    )
    verdicts = check_gates(gates, figures)
    if json_file is not None:
        with replace_atomically(json_file) as temporary, temporary.open("w", encoding="ascii") as stream:
            for text in serialise_evaluation(figures, gates=[verdict.to_json() for verdict in verdicts]):
                stream.write(text)
    if report is not None:
        source = images or (None if data.suffix == ".h5" else data)
        write_report(figures, report, images=source, data_format=data_format, bbox=bbox, progress=progress)
    print_evaluation(figures)
    print_verdicts(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(ExitCode.GATE_FAILED)
    if figures.failed:
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
