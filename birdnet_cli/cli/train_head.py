"""`fbn train-head`: feature cache -> model file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options

__all__ = ["train_head"]


def train_head(
    cache: Annotated[Path, typer.Argument(help="A feature cache written by fbn extract.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.safetensors).")],
    pooling: Annotated[
        str | None, typer.Option(help="Which of the cache's descriptors; needed when it has several.")
    ] = None,
    head: Annotated[Literal["softmax", "svm", "ridge"] | None, typer.Option(help="Loss.  [default: svm]")] = None,
    C: Annotated[
        str | None, typer.Option("-C", help="Weight of the loss against the penalty, or auto.  [default: auto]")
    ] = None,
    cv: Annotated[int | None, typer.Option(help="Folds of the cross-validation.  [default: 5]")] = None,
    class_weights: Annotated[
        Literal["none", "balanced"] | None, typer.Option(help="Weigh classes by their size.  [default: none]")
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option("--calibrate/--no-calibrate", help="Fit a temperature on out-of-fold logits.  [default: on]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the folds.  [default: 0]")] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV with path and a group: images of one group are never in two folds.", metavar="FILE"),
    ] = None,
    group_col: Annotated[str, typer.Option(help="The column of --groups that holds the group.")] = "group",
    solver: Annotated[
        Literal["auto", "exact", "streamed"] | None,
        typer.Option(help="exact in memory, or streamed where that is too small.  [default: auto]"),
    ] = None,
    weight_dtype: Annotated[
        Literal["auto", "float16", "float32"] | None,
        typer.Option(help="Storage of the weights; auto is float16 where no prediction notices.  [default: auto]"),
    ] = None,
    device: options.Device = None,
    weights: Annotated[
        str, typer.Option(help="Where the cache's backbone weights are found again, to be embedded.")
    ] = "auto",
    embed_backbone: Annotated[
        bool, typer.Option("--embed-backbone/--no-embed-backbone", help="Put the backbone into the model file.")
    ] = True,
    overwrite: options.Overwrite = False,
    recipe: options.Recipe = None,
    set_: options.SetOverrides = None,
    quiet: options.Quiet = False,
) -> None:
    """Solve for a linear head on cached descriptors; C is chosen by cross-validation on the training split."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.tables import print_cross_validation
    from birdnet_cli.core.engine.train_head import train_head as run
    from birdnet_cli.core.recipe import HeadSettings, resolve_settings

    flags = {
        "head": head, "C": C, "cv": cv, "class_weights": class_weights, "calibrate": calibrate, "seed": seed,
        "solver": solver, "weight_dtype": weight_dtype, "device": device,
    }  # fmt: skip
    fitted = run(
        cache,
        output,
        pooling=pooling,
        settings=resolve_settings(HeadSettings, section="head", recipe=recipe, flags=flags, overrides=set_ or ()),
        groups=groups,
        group_column=group_col,
        weights=weights,
        embed_backbone=embed_backbone,
        overwrite=overwrite,
        progress=ConsoleProgress(quiet=quiet),
    )
    print_cross_validation(fitted)
    typer.echo(fitted.summary())
