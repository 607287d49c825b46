"""`fbn evaluate`: a labelled split + model file -> figures."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options

__all__ = ["evaluate"]


def evaluate(
    data: Annotated[Path, typer.Argument(help="A data set of images, or a feature cache (.h5).")],
    model: options.ModelFile = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Which split.")] = "test",
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file.", metavar="FILE")
    ] = None,
    weights: Annotated[str, typer.Option(help="Backbone weights, for a model without an embedded backbone.")] = "auto",
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model: top-1, top-5, every class, and which classes it confuses."""
    from birdnet_cli.cli.console import ConsoleProgress
    from birdnet_cli.cli.tables import print_evaluation
    from birdnet_cli.core.atomic import write_bytes_atomically
    from birdnet_cli.core.engine.evaluate import evaluate as run
    from birdnet_cli.core.engine.models import find_model
    from birdnet_cli.core.engine.predict import load_model

    loaded = load_model(
        model or find_model(Path()), device=device or "auto", precision=precision or "auto", weights=weights
    )
    figures = run(
        data,
        loaded,
        split=split,
        data_format=data_format,
        bbox=bbox,
        batch_size=batch_size or 16,
        workers=2 if workers is None else workers,
        progress=ConsoleProgress(quiet=quiet),
    )
    if json_file is not None:
        text = json.dumps(figures.to_json(), indent=1, ensure_ascii=True)
        write_bytes_atomically(json_file, text.encode())
    print_evaluation(figures)
    if figures.failed:
        raise typer.Exit(3)
