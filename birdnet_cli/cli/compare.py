"""`fbn compare`: two results, or two models on the same images -> which is better, and what changed."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options

__all__ = ["compare"]


def compare(
    a: Annotated[Path, typer.Argument(help="A result of fbn evaluate --json, or a model file.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another one.", metavar="B")],
    data: Annotated[
        Path | None,
        typer.Option(help="What to measure models on: a data set of images, or a feature cache.", metavar="DATA"),
    ] = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Which split of it.")] = "test",
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Also write everything to this file.", metavar="FILE", callback=options.check_output
        ),
    ] = None,
    weights: Annotated[str, typer.Option(help="Backbone weights, for models without an embedded backbone.")] = "auto",
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
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
        data_format=data_format,
        bbox=bbox,
        weights=weights,
        precision=precision or "auto",
        batch_size=16 if batch_size is None else batch_size,
        workers=2 if workers is None else workers,
        device=device or "auto",
        progress=ConsoleProgress(quiet=quiet),
    )
    if json_file is not None:
        text = json.dumps({"a": str(a), "b": str(b)} | comparison.to_json(), indent=1)
        write_bytes_atomically(json_file, text.encode())
    print_comparison(comparison, str(a), str(b))
