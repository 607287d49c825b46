"""`fbn train-head`: feature cache -> model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from birdnet_cli.cli import options

if TYPE_CHECKING:
    from birdnet_cli.core.recipe import HeadSettings

__all__ = ["train_head"]

# Group of --help.
BACKBONE = "Backbone"


class Folds(NamedTuple):
    """Images that cross-validation keeps in one fold."""

    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV with path and a group: images of one group are never in two folds.",
            metavar="FILE",
            show_default="none",
        ),
    ] = None
    group_col: Annotated[str, typer.Option(help="The column of --groups that holds the group.")] = "group"


class EmbeddedBackbone(NamedTuple):
    """The backbone in the model file."""

    weights: Annotated[
        str,
        typer.Option(
            help="Weights of the cache's backbone, which are embedded in the model file: auto or a file.",
            rich_help_panel=BACKBONE,
        ),
    ] = "auto"
    embed_backbone: Annotated[
        bool,
        typer.Option(
            "--embed-backbone/--no-embed-backbone",
            help="Put the backbone into the model file.",
            rich_help_panel=BACKBONE,
        ),
    ] = True


@options.with_settings("head")
@options.with_groups
def train_head(
    cache: options.CacheFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.safetensors).")],
    *,
    pooling: options.Descriptor = None,
    settings: "HeadSettings",
    folds: Folds,
    backbone: EmbeddedBackbone,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Solve for a linear head on cached descriptors; C is chosen by cross-validation on the training split."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.tables import print_cross_validation
    from birdnet_cli.core.engine.train_head import train_head as run

    fitted = run(
        cache,
        output,
        pooling=pooling,
        settings=settings,
        groups=folds.groups,
        group_column=folds.group_col,
        weights=backbone.weights,
        embed_backbone=backbone.embed_backbone,
        overwrite=overwrite,
        progress=ConsoleProgress(quiet=quiet),
    )
    print_cross_validation(fitted)
    typer.echo(fitted.summary())
