"""`fbn finetune`: images -> run directory with a model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

if TYPE_CHECKING:
    from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["finetune"]


class TrainingRun(NamedTuple):
    """How a training runs."""

    nproc: Annotated[int, typer.Option(min=1, help="Processes, one per device.", rich_help_panel="Machine")] = 1
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the run in this folder exactly.", show_default="off", rich_help_panel="Run"
        ),
    ] = False
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run in this folder.", show_default="off", rich_help_panel="Run"),
    ] = False
    on_error: options.OnError = "fail"


@options.with_settings("finetune")
@options.with_groups
def finetune(
    data: options.DataRoot,
    output: Annotated[Path, typer.Option("--output", "-o", help="The run directory, such as runs/birds.")],
    *,
    reading: options.DataReading,
    settings: "FinetuneSettings",
    training_run: TrainingRun,
    quiet: options.Quiet = False,
) -> None:
    """Train a whole network: pretrained or from scratch, with a linear, bilinear or Factorized Bilinear head."""
    from birdnet_cli.cli.display.tables import print_failures
    from birdnet_cli.cli.display.training import TrainingDisplay
    from birdnet_cli.core.engine.finetune import finetune as run

    report = run(
        data,
        output,
        settings=settings,
        data_format=reading.data_format,
        bbox=reading.bbox,
        resume=training_run.resume,
        overwrite=training_run.overwrite,
        on_error=training_run.on_error,
        nproc=training_run.nproc,
        progress=TrainingDisplay(quiet=quiet),
    )
    if report.rank == 0:
        typer.echo(report.summary())
    if report.failures:
        print_failures(report.failures)
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
