"""`fbn evaluate`: a labelled split + model file -> evaluation with intervals, gates, a JSON file, an HTML report."""

from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["evaluate"]


def evaluate(
    data: Annotated[Path, typer.Argument(help="A data set of images, or a feature cache (.h5).")],
    model: options.ModelFile = None,
    sha256: options.ModelSha256 = None,
    split: Annotated[options.SplitName, typer.Option(help="Split to evaluate.")] = "test",
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Also write the evaluation, with the outcome of every image, to this file; fbn compare reads it.",
            metavar="FILE",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Also write a self-contained HTML page (needs the \\[report] extra).",
            metavar="FILE",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Data set of a feature cache, for the report's thumbnails.",
            metavar="DATA",
            show_default="no thumbnails for a cache",
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 4 unless the 95% interval lies beyond each of these gates, comma-separated, such as "
            "top1=0.9, recall[CLASS]=0.8 or ece<=0.05; also top5, precision[CLASS], macro_recall, macro_precision "
            "and nll; repeatable.",
            metavar="GATES",
            show_default="no gates",
        ),
    ] = None,
    weights: options.Weights = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = 16,
    workers: options.Workers = 2,
    device: options.Device = "auto",
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

    # Errors in the gates and a missing extra are reported before the work.
    gates = parse_gates(fail_under or ())
    if report is not None:
        require_report_extra()
    loaded = load_model(
        model or find_model(Path()),
        device=device,
        precision=precision,
        weights=weights,
        sha256=sha256,
    )
    gates = resolve_gates(gates, loaded.classes)
    progress = ConsoleProgress(quiet=quiet)
    evaluation = run(
        data,
        loaded,
        split=split,
        data_format=data_format,
        bbox=bbox,
        batch_size=batch_size,
        workers=workers,
        progress=progress,
    )
    verdicts = check_gates(gates, evaluation)
    if json_file is not None:
        with replace_atomically(json_file) as temporary, temporary.open("w", encoding="ascii") as stream:
            for text in serialise_evaluation(evaluation, gates=[verdict.to_json() for verdict in verdicts]):
                stream.write(text)
    if report is not None:
        source = images or (None if data.suffix == ".h5" else data)
        write_report(evaluation, report, images=source, data_format=data_format, bbox=bbox, progress=progress)
    print_evaluation(evaluation)
    print_verdicts(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(ExitCode.GATE_FAILED)
    if evaluation.failed:
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
