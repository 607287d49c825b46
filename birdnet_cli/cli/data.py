"""`fbn data`: check, count, split and convert data sets before anything is trained on them."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode, UsageError

__all__ = ["data_app"]

data_app = typer.Typer(no_args_is_help=True, help="Check, count, split and convert data sets.")


@data_app.command()
def check(
    data: options.DataRoot,
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    workers: options.Workers = 2,
    as_json: options.AsJson = False,
) -> None:
    """Decode every image and look for problems that would harm training; exit with 4 if there are any."""
    from dataclasses import asdict

    from birdnet_cli.cli.display.data import print_problems
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.data import check_dataset, open_dataset

    report = check_dataset(open_dataset(data, format=data_format, bbox=bbox), workers=workers)
    problems = report.problems()
    document = asdict(report) | {"problems": problems}
    print_result(document, as_json=as_json, table=lambda: print_problems(problems, data))
    if problems:
        raise typer.Exit(ExitCode.GATE_FAILED)


@data_app.command()
def stats(data: options.DataRoot, data_format: options.DataFormat = "auto", as_json: options.AsJson = False) -> None:
    """Count the images of every class in every split; no image is decoded."""
    from birdnet_cli.cli.display.data import print_counts
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.data import count_images, open_dataset

    dataset = open_dataset(data, format=data_format)
    counts = count_images(dataset)
    by_class = {name: {split: counts[split][label] for split in counts} for label, name in enumerate(dataset.classes)}
    document = {"format": dataset.format, "splits": dataset.split_sizes(), "classes": by_class}
    print_result(document, as_json=as_json, table=lambda: print_counts(dataset.classes, counts))


@data_app.command()
def split(
    data: options.DataRoot,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The CSV file to write, in or above the images' folder.",
            callback=options.check_output,
        ),
    ],
    val: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the images for validation.")] = 0.0,
    test: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the images for testing.")] = 0.25,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the assignment.")] = 0,
    data_format: options.DataFormat = "auto",
    overwrite: options.Overwrite = False,
) -> None:
    """Divide a data set at random, stratified by class, and write the splits as a CSV that every command reads."""
    from birdnet_cli.core.data import assign_splits, open_dataset, write_csv

    if output.exists() and not overwrite:
        raise UsageError(f"{output}: exists already; choose another name or give --overwrite")
    if val + test >= 1:
        raise UsageError(f"--val {val} and --test {test} leave nothing to train on: their sum must be below 1")
    dataset = open_dataset(data, format=data_format)
    fractions = {"train": 1 - val - test} | ({"val": val} if val else {}) | ({"test": test} if test else {})
    splits = assign_splits([sample.label for sample in dataset.samples], fractions=fractions, seed=seed)
    write_csv(dataset, splits, output)
    counted = ", ".join(f"{splits.count(name)} {name}" for name in fractions)
    typer.echo(f"{output}: {counted}")


class Encoding(NamedTuple):
    """Size and JPEG quality of the images that are written."""

    resize: Annotated[
        int | None,
        typer.Option(
            min=1, max=8192, help="Scale the shorter side of each image to this many pixels.", show_default="not scaled"
        ),
    ] = None
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Encode each image as JPEG of this quality.",
            show_default="95 if scaled, else not encoded",
        ),
    ] = None


class ConversionRun(NamedTuple):
    """How a conversion runs."""

    workers: options.Workers = 2
    on_error: options.OnError = "fail"
    overwrite: options.Overwrite = False


@data_app.command()
@options.with_groups
def convert(
    data: options.DataRoot,
    output: Annotated[Path, typer.Argument(help="NAME.rec, or a folder that gets a .rec for each split.")],
    *,
    reading: options.DataReading,
    split: options.Splits = None,
    encoding: Encoding,
    conversion_run: ConversionRun,
    quiet: options.Quiet = False,
) -> None:
    """Write a data set as RecordIO, as MXNet does; images are copied byte for byte unless scaled or encoded."""
    from dataclasses import replace

    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.tables import print_failures
    from birdnet_cli.core.data import convert_dataset, open_dataset

    dataset = open_dataset(data, format=reading.data_format, bbox=reading.bbox)
    if split is not None:
        chosen = tuple(sample for name in split.split(",") for sample in dataset.subset(name).samples)
        dataset = replace(dataset, samples=chosen)
    with ConsoleProgress(quiet=quiet).stage("convert", total=len(dataset.samples), unit="images") as advance:
        report = convert_dataset(
            dataset,
            output,
            resize=encoding.resize,
            quality=encoding.quality,
            workers=conversion_run.workers,
            skip_failures=conversion_run.on_error == "skip",
            overwrite=conversion_run.overwrite,
            advance=advance,
        )
    for path, count in report.written.items():
        typer.echo(f"{path}: {count:,} images")
    if report.failures:
        print_failures(report.failures)
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)


@data_app.command()
def audit(
    cache: options.CacheFile,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write audit.csv and audit.html into this folder.",
            metavar="DIR",
            show_default="none",
        ),
    ] = None,
    pooling: options.Descriptor = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Data set of the cache, for the thumbnails of audit.html.",
            metavar="DATA",
            show_default="no thumbnails",
        ),
    ] = None,
    near: Annotated[float, typer.Option(help="Cosine from which two images are near-duplicates.")] = 0.8,
    most: Annotated[int, typer.Option(min=1, help="Findings of each kind to print.")] = 10,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Look for likely label errors, near-duplicates and outliers, from the descriptors alone."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.data import print_audit
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.engine.audit import audit_cache
    from birdnet_cli.core.report import require_report_extra, write_audit

    if output is not None:
        require_report_extra()
    progress = ConsoleProgress(quiet=quiet)
    found = audit_cache(cache, pooling=pooling, near=near, progress=progress)
    if output is not None:
        write_audit(found, output, images=images, progress=progress)
    document: dict[str, object] = {"accuracy": found.accuracy, "counts": found.counts(), "findings": found.to_rows()}
    document["unreadable"] = found.unreadable
    print_result(document, as_json=as_json, table=lambda: print_audit(found, most=most))
