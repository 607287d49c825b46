"""`fbn demo`: extract, train and predict on images of birds that fbn paints."""

from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.cli import options

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of all files that the demo writes.")] = Path(
        "fbn-demo"
    ),
    data: Annotated[
        Path | None,
        typer.Option(help="Data set with train and test splits to use instead.", show_default="painted birds"),
    ] = None,
    weights: Annotated[str, typer.Option(help="Backbone weights: auto or a file.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the painted birds.")] = 0,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Paint look-alike birds, then extract, train and predict: a few minutes, offline."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.demo import print_demo
    from birdnet_cli.core.demo.demo import run_demo

    print_demo(
        run_demo(
            output, data=data, weights=weights, seed=seed, overwrite=overwrite, progress=ConsoleProgress(quiet=quiet)
        )
    )
