"""`fbn extract`: images -> feature cache."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

if TYPE_CHECKING:
    from birdnet_cli.core.recipe import ExtractSettings

__all__ = ["extract"]


class ExtractionRun(NamedTuple):
    """How an extraction runs."""

    nproc: Annotated[int, typer.Option(min=1, help="Processes, one per device; each writes whole shards.")] = 1
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted extraction, or start it afresh.")
    ] = True
    overwrite: options.Overwrite = False
    on_error: options.OnError = "fail"
    max_errors: Annotated[
        int | None,
        typer.Option(min=0, help="With --on-error skip: stop after more failures than this.", show_default="no limit"),
    ] = None
    compress: Annotated[
        bool,
        typer.Option("--compress", help="Compress the finished file, which is then slow to read.", show_default="off"),
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.", show_default="off")
    ] = False


@options.with_settings("extract")
@options.with_groups
def extract(
    data: options.DataRoot,
    output: Annotated[Path, typer.Option("--output", "-o", help="The feature cache to write (.h5).")],
    *,
    reading: options.DataReading,
    split: options.Splits = None,
    settings: "ExtractSettings",
    extraction_run: ExtractionRun,
    quiet: options.Quiet = False,
) -> None:
    """Run images through a backbone once and cache their descriptors."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.tables import print_failures
    from birdnet_cli.core.engine.extract import prepare_extraction
    from birdnet_cli.core.features.run import run_extraction

    progress = ConsoleProgress(quiet=quiet)
    extraction = prepare_extraction(
        data,
        output,
        settings=settings,
        data_format=reading.data_format,
        bbox=reading.bbox,
        splits=tuple(split.split(",")) if split else (),
        progress=progress,
    )
    if extraction_run.dry_run:
        typer.echo(extraction.estimate())
        return
    report = run_extraction(
        extraction,
        resume=extraction_run.resume,
        overwrite=extraction_run.overwrite,
        on_error=extraction_run.on_error,
        max_errors=extraction_run.max_errors,
        compress=extraction_run.compress,
        nproc=extraction_run.nproc,
        progress=progress,
    )
    typer.echo(report.summary())
    if report.failures:
        print_failures(report.failures)
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
