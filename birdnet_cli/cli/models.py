"""`fbn models`: the model files of a folder, and the backbones of fbn."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["models_app"]

models_app = typer.Typer(no_args_is_help=True, help="List model files and backbones.")


@models_app.command("ls")
def list_models(
    folder: Annotated[
        Path, typer.Argument(help="Folder to search, with the folders below its runs/.", show_default="this folder")
    ] = Path(),
) -> None:
    """List the models of a folder, newest first."""
    from birdnet_cli.cli.display.models import print_models
    from birdnet_cli.core.model import library as models

    print_models(models.list_models(folder))


@models_app.command("backbones")
def list_backbones(
    name: Annotated[
        str | None, typer.Argument(help="Backbone whose layers are listed.", show_default="list the backbones")
    ] = None,
) -> None:
    """List the backbones, or the layers of a backbone; its default layer is marked."""
    from birdnet_cli.core import backbones

    if name is None:
        typer.echo("\n".join(backbones.list_backbones()))
        return
    default = backbones.describe_backbone(name)
    for layer in backbones.list_layers(name):
        typer.echo(f"{layer}  (default, {default.channels} channels)" if layer == default.layer else layer)
