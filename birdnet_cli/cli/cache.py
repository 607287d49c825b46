"""`fbn cache`: what a feature cache holds, and whether it is undamaged."""

from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["cache_app"]

cache_app = typer.Typer(no_args_is_help=True, help="Inspect and verify feature caches.")


@cache_app.command()
def info(file: options.CacheFile, as_json: options.AsJson = False) -> None:
    """Say what a feature cache holds and how it was made."""
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.cli.display.tables import print_fields
    from birdnet_cli.core.engine.inspect import describe_cache

    report = describe_cache(file)
    print_result(report, as_json=as_json, table=lambda: print_fields(report))


@cache_app.command()
def verify(
    file: options.CacheFile,
    repair: Annotated[
        Path | None,
        typer.Option(
            help="Recompute damaged rows from the data set in this folder.",
            metavar="DATA",
            show_default="damaged rows are only named",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="With --repair: weights of the cache's backbone, auto or a file.")
    ] = "auto",
) -> None:
    """Check every row against its CRC32; exit with 1 and name the rows that are damaged."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.engine.repair import find_damage, repair_cache

    progress = ConsoleProgress()
    damaged = find_damage(file, progress=progress)
    for row in damaged:
        typer.echo(f"damaged: {row.descriptor} row {row.row} ({row.name})")
    if not damaged:
        typer.echo(f"{file}: every row matches its CRC32")
    elif repair is not None:
        repair_cache(file, damaged, data=repair, weights=weights, progress=progress)
        typer.echo(f"{file}: {len(damaged)} damaged rows recomputed")
    else:
        raise typer.Exit(ExitCode.FAILURE)
