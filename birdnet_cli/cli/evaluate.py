"""`fbn evaluate`: a labelled split + model file -> evaluation with intervals, gates, a JSON file, an HTML report."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["evaluate"]


class EvaluationFiles(NamedTuple):
    """Files to write, and the data set of the report's thumbnails."""

    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Also write the evaluation, with the outcome of every image, to this file; fbn compare reads it.",
            metavar="FILE",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            help="Also write a self-contained HTML page (needs the \\[report] extra).",
            metavar="FILE",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="Data set of a feature cache, for the report's thumbnails.",
            metavar="DATA",
            show_default="no thumbnails for a cache",
        ),
    ] = None


@options.with_groups
def evaluate(
    data: Annotated[Path, typer.Argument(help="A data set of images, or a feature cache (.h5).")],
    *,
    choice: options.ModelChoice,
    split: Annotated[options.SplitName, typer.Option(help="Split to evaluate.")] = "test",
    reading: options.DataReading,
    files: EvaluationFiles,
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
    model_run: options.ModelRun,
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
    if files.report is not None:
        require_report_extra()
    loaded = load_model(
        choice.model or find_model(Path()),
        device=model_run.device,
        precision=model_run.precision,
        weights=model_run.weights,
        sha256=choice.sha256,
    )
    gates = resolve_gates(gates, loaded.classes)
    progress = ConsoleProgress(quiet=quiet)
    evaluation = run(
        data,
        loaded,
        split=split,
        data_format=reading.data_format,
        bbox=reading.bbox,
        batch_size=model_run.batch_size,
        workers=model_run.workers,
        progress=progress,
    )
    verdicts = check_gates(gates, evaluation)
    if files.json_file is not None:
        with replace_atomically(files.json_file) as temporary, temporary.open("w", encoding="ascii") as stream:
            for text in serialise_evaluation(evaluation, gates=[verdict.to_json() for verdict in verdicts]):
                stream.write(text)
    if files.report is not None:
        source = files.images or (None if data.suffix == ".h5" else data)
        write_report(
            evaluation,
            files.report,
            images=source,
            data_format=reading.data_format,
            bbox=reading.bbox,
            progress=progress,
        )
    print_evaluation(evaluation)
    print_verdicts(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(ExitCode.GATE_FAILED)
    if evaluation.failed:
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
