"""`fbn neighbors`: images -> the most similar images of a feature cache."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode, UsageError

__all__ = ["neighbors"]


def neighbors(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, globs, .txt lists, .rec files, or - for paths on stdin.", metavar="IMAGE…"
        ),
    ],
    cache: Annotated[Path, typer.Option("--cache", "-c", help="A feature cache written by fbn extract.")],
    pooling: Annotated[
        str | None, typer.Option(help="Which of the cache's descriptors; needed when it has several.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours per image.")] = 12,
    split: Annotated[
        Literal["train", "val", "test", "all"], typer.Option(help="Which part of the cache is searched.")
    ] = "train",
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Draw every image beside its neighbours; needs --images.",
            metavar="PNG",
            callback=options.check_output,
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The data set that the cache was made from.", metavar="DATA")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per image.")] = False,
    weights: Annotated[str, typer.Option(help="Backbone weights of the cache.")] = "auto",
    device: options.Device = None,
    quiet: options.Quiet = False,
) -> None:
    """Find the cached images that look most like an image: what a classifier may mix it up with, and why.

    The similarity is the cosine of the two descriptors. A cached image with the same bytes is not its own neighbour.
    """
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.neighbors import print_neighbors
    from birdnet_cli.core.atomic import replace_atomically
    from birdnet_cli.core.engine.neighbors import NeighborSearch, find_neighbors
    from birdnet_cli.core.report.pictures.neighbor_sheet import draw_neighbor_sheet

    if sheet is not None and images is None:
        raise UsageError("--sheet draws cached images, which the cache does not hold: give --images DATA as well")
    search = NeighborSearch(
        pooling=pooling, k=k, split=None if split == "all" else split, weights=weights, device=device or "auto"
    )
    found = []
    for one in find_neighbors(
        sources,
        cache,
        search=search,
        stdin=sys.stdin,
        progress=ConsoleProgress(quiet=quiet),
    ):
        found.append(one)
        if as_json:
            typer.echo(json.dumps(one.to_json()))
        else:
            print_neighbors(one)
    if sheet is not None and images is not None:
        picture = draw_neighbor_sheet(found, cache, images)
        with replace_atomically(sheet) as temporary:
            picture.save(temporary, format="PNG")
    if any(one.error is not None for one in found):
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
