"""`fbn compare`: two evaluations, or two models on the same images -> a paired test and the images that changed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.cli import options

__all__ = ["compare"]


@options.with_groups
def compare(
    a: Annotated[
        Path, typer.Argument(help="An evaluation written by fbn evaluate --json, or a model file.", metavar="A")
    ],
    b: Annotated[Path, typer.Argument(help="The other evaluation or model file.", metavar="B")],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Images on which models are evaluated: a data set, or a feature cache.",
            metavar="DATA",
            show_default="none; models need it",
        ),
    ] = None,
    split: Annotated[options.SplitName, typer.Option(help="Split of --data.")] = "test",
    reading: options.DataReading,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Also write the whole comparison to this JSON file.",
            metavar="FILE",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None,
    model_run: options.ModelRun,
    quiet: options.Quiet = False,
) -> None:
    """Compare two models on the same images: a paired test, the difference, and every image that changed."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.evaluation import print_comparison
    from birdnet_cli.core.atomic import write_bytes_atomically
    from birdnet_cli.core.engine.compare import compare as run

    comparison = run(
        a,
        b,
        data=data,
        split=split,
        data_format=reading.data_format,
        bbox=reading.bbox,
        weights=model_run.weights,
        precision=model_run.precision,
        batch_size=model_run.batch_size,
        workers=model_run.workers,
        device=model_run.device,
        progress=ConsoleProgress(quiet=quiet),
    )
    if json_file is not None:
        text = json.dumps({"a": str(a), "b": str(b)} | comparison.to_json(), indent=1)
        write_bytes_atomically(json_file, text.encode())
    print_comparison(comparison, str(a), str(b))
