"""`fbn cache`: what a feature cache holds, and whether it is whole."""

import json
from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.core.errors import ExitCode

__all__ = ["cache_app"]

cache_app = typer.Typer(no_args_is_help=True, help="Inspect and verify feature caches.")
CacheFile = Annotated[Path, typer.Argument(help="A feature cache (.h5).")]


@cache_app.command()
def info(file: CacheFile, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Say what a cache holds and how it was made."""
    from birdnet_cli.cli.display.tables import print_fields
    from birdnet_cli.core.engine.inspect import describe_cache

    report = describe_cache(file)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        print_fields(report)


@cache_app.command()
def verify(
    file: CacheFile,
    repair: Annotated[
        Path | None,
        typer.Option(help="Recompute damaged rows from the data set in this folder.", metavar="DATA"),
    ] = None,
    weights: Annotated[str, typer.Option(help="With --repair: where the backbone weights are.")] = "auto",
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
