"""`fbn neighbors`: images -> the most similar images of a feature cache."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode, UsageError

__all__ = ["neighbors"]


class SearchScope(NamedTuple):
    """Descriptors that are searched, and the number of neighbours."""

    pooling: options.Descriptor = None
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours per image.")] = 12
    split: Annotated[
        Literal["train", "val", "test", "all"], typer.Option(help="Split of the cache that is searched.")
    ] = "train"


class Sheet(NamedTuple):
    """The picture of the neighbours, and the data set of its images."""

    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Draw every image beside its neighbours into this file; needs --images.",
            metavar="PNG",
            callback=options.check_output,
            show_default="none",
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(help="Data set of the cache, for --sheet.", metavar="DATA", show_default="none"),
    ] = None


@options.with_groups
def neighbors(
    sources: options.ImageSources,
    cache: Annotated[Path, typer.Option("--cache", "-c", help="A feature cache (.h5) written by fbn extract.")],
    *,
    scope: SearchScope,
    drawing: Sheet,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per image instead of a table.", show_default="off")
    ] = False,
    weights: Annotated[str, typer.Option(help="Weights of the cache's backbone: auto or a file.")] = "auto",
    device: options.Device = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Find the cached images that look most like an image, with which a classifier may confuse it.

    The similarity is the cosine of the two descriptors. A cached image with the same bytes is not its own neighbour.
    """
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.neighbors import print_neighbors
    from birdnet_cli.core.atomic import replace_atomically
    from birdnet_cli.core.engine.neighbors import NeighborSearch, find_neighbors
    from birdnet_cli.core.report.pictures.neighbor_sheet import draw_neighbor_sheet

    if drawing.sheet is not None and drawing.images is None:
        raise UsageError("--sheet draws cached images, which the cache does not hold: give --images DATA as well")
    search = NeighborSearch(
        pooling=scope.pooling,
        k=scope.k,
        split=None if scope.split == "all" else scope.split,
        weights=weights,
        device=device,
    )
    found = []
    for neighborhood in find_neighbors(
        sources,
        cache,
        search=search,
        stdin=sys.stdin,
        progress=ConsoleProgress(quiet=quiet),
    ):
        found.append(neighborhood)
        if as_json:
            typer.echo(json.dumps(neighborhood.to_json()))
        else:
            print_neighbors(neighborhood)
    if drawing.sheet is not None and drawing.images is not None:
        picture = draw_neighbor_sheet(found, cache, drawing.images)
        with replace_atomically(drawing.sheet) as temporary:
            picture.save(temporary, format="PNG")
    if any(neighborhood.error is not None for neighborhood in found):
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
