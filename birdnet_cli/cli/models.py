"""`fbn models`: the model files of a folder, and the backbones that one can be made with."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["models_app"]

models_app = typer.Typer(no_args_is_help=True, help="List model files and backbones.")


@models_app.command("ls")
def list_models(
    folder: Annotated[Path, typer.Argument(help="Searched itself and below its runs/.")] = Path(),
) -> None:
    """List the models of a folder, newest first."""
    from rich.table import Table

    from birdnet_cli.cli.display.console import stdout
    from birdnet_cli.core.model import library as models

    table = Table("model", "classes", "backbone", "descriptor", "head", "size", box=None, header_style="bold")
    for entry in models.list_models(folder):
        about = entry.description
        table.add_row(
            str(entry.path),
            str(len(about.classes)),
            f"{about.backbone['backbone']} {about.backbone['layer']}",
            entry.descriptor,
            str(about.head["head"]),
            f"{entry.size / 1e6:.1f} MB",
        )
    stdout.print(table)


@models_app.command("backbones")
def list_backbones(
    name: Annotated[str | None, typer.Argument(help="Show this backbone's layers.")] = None,
) -> None:
    """List the backbones, or the layers of one of them; the default layer is marked."""
    from birdnet_cli.core import backbones

    if name is None:
        typer.echo("\n".join(backbones.list_backbones()))
        return
    default = backbones.describe_backbone(name)
    for layer in backbones.list_layers(name):
        typer.echo(f"{layer}  (default, {default.channels} channels)" if layer == default.layer else layer)
