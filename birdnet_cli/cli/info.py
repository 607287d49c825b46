"""`fbn info`: what a cache or a model file is, read from its header alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["info"]


def info(
    file: Annotated[Path, typer.Argument(help="A model file (.safetensors) or a feature cache (.h5).")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a file of fbn holds, how it was made, and its SHA-256; nothing in it is executed."""
    from birdnet_cli.cli.display.tables import print_fields
    from birdnet_cli.core.engine.inspect import describe_file

    report = describe_file(file)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        print_fields(report)
