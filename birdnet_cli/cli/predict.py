"""`fbn predict`: images + model file -> names and probabilities."""

import sys
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode, UsageError

__all__ = ["predict"]


class Explanation(NamedTuple):
    """Where evidence is painted, and against which class."""

    explain: Annotated[
        Path | None,
        typer.Option(
            help="Paint where the evidence for each name lies, into this folder.", metavar="DIR", show_default="none"
        ),
    ] = None
    versus: Annotated[
        str | None,
        typer.Option(
            help="With --explain: paint the evidence for the name against this class.",
            metavar="LABEL",
            show_default="the evidence for the name alone",
        ),
    ] = None


class PredictionRun(NamedTuple):
    """How a model is run on images: `options.ModelRun`, but few images need no worker processes."""

    weights: options.Weights = "auto"
    precision: options.Precision = "auto"
    batch_size: options.BatchSize = 16
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-j",
            help="Processes that decode images; 0 decodes in the main process.",
            show_default="2; 0 for a few images",
        ),
    ] = None
    device: options.Device = "auto"


@options.with_groups
def predict(
    sources: options.ImageSources,
    *,
    choice: options.ModelChoice,
    k: Annotated[int, typer.Option("-k", min=1, help="Names per image.")] = 5,
    form: Annotated[
        Literal["table", "json", "jsonl", "csv"], typer.Option("--format", help="Output format.")
    ] = "table",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to this file instead of stdout.",
            callback=options.check_output,
            show_default="stdout",
        ),
    ] = None,
    explanation: Explanation,
    prediction_run: PredictionRun,
    quiet: options.Quiet = False,
) -> None:
    """Name the class of each image; an image that cannot be read gets a row with its error, and the exit code is 3."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.predictions import write_predictions
    from birdnet_cli.core.atomic import replace_atomically
    from birdnet_cli.core.engine.predict import predict as run
    from birdnet_cli.core.model import load_model
    from birdnet_cli.core.model.library import find_model
    from birdnet_cli.core.report.evidence_files import EvidenceWriter

    if explanation.versus is not None and explanation.explain is None:
        raise UsageError("--versus says what --explain compares with: give --explain DIR as well")
    progress = ConsoleProgress(quiet=quiet)
    loaded = load_model(
        choice.model or find_model(Path()),
        device=prediction_run.device,
        precision=prediction_run.precision,
        weights=prediction_run.weights,
        sha256=choice.sha256,
    )
    folder = explanation.explain
    watch = None if folder is None else EvidenceWriter(loaded, folder, versus=explanation.versus)
    rows = run(
        sources,
        loaded,
        k=k,
        batch_size=prediction_run.batch_size,
        workers=prediction_run.workers,
        stdin=sys.stdin,
        watch=watch,
        progress=progress,
    )
    if output is None:
        failed = write_predictions(rows, form, sys.stdout)
    else:
        with (
            replace_atomically(output) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
        ):
            failed = write_predictions(rows, form, stream)
    if failed:
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
