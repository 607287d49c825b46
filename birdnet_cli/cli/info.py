"""`fbn info`: what a cache or a model file is, read from its header alone."""

from pathlib import Path
from typing import Annotated

import typer

from birdnet_cli.cli import options

__all__ = ["info"]


def info(
    file: Annotated[Path, typer.Argument(help="A model file (.safetensors) or a feature cache (.h5).")],
    as_json: options.AsJson = False,
) -> None:
    """Say what a file of fbn holds, how it was made, and its SHA-256; nothing in it is executed."""
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.cli.display.tables import print_fields
    from birdnet_cli.core.engine.inspect import describe_file

    report = describe_file(file)
    print_result(report, as_json=as_json, table=lambda: print_fields(report))
