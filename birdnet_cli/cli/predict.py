"""`fbn predict`: images + model file -> names and probabilities."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options

__all__ = ["predict"]


def predict(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, globs, .txt lists, .rec files, or - for paths on stdin.", metavar="SOURCE…"
        ),
    ],
    model: options.ModelFile = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Names per image.")] = 5,
    form: Annotated[
        Literal["table", "json", "jsonl", "csv"], typer.Option("--format", help="Output format.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")] = None,
    weights: Annotated[str, typer.Option(help="Backbone weights, for a model without an embedded backbone.")] = "auto",
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
    quiet: options.Quiet = False,
) -> None:
    """Name what is in images. An image that cannot be read is a row with its error; the exit code is then 3."""
    from birdnet_cli.cli.console import ConsoleProgress
    from birdnet_cli.cli.prediction_formats import write_predictions
    from birdnet_cli.core.atomic import replace_atomically
    from birdnet_cli.core.engine.models import find_model
    from birdnet_cli.core.engine.predict import load_model
    from birdnet_cli.core.engine.predict import predict as run

    progress = ConsoleProgress(quiet=quiet)
    path = model or find_model(Path())
    loaded = load_model(path, device=device or "auto", precision=precision or "auto", weights=weights)
    rows = run(
        sources,
        loaded,
        k=k,
        batch_size=batch_size or 16,
        workers=workers,
        stdin=sys.stdin,
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
        raise typer.Exit(3)
