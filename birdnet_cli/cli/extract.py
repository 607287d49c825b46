"""`fbn extract`: images -> feature cache."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["extract"]


def extract(
    data: options.DataRoot,
    output: Annotated[Path, typer.Option("--output", "-o", help="The feature cache to write (.h5).")],
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    split: Annotated[
        str | None, typer.Option(help="Only these splits, comma-separated: train, val, test.  [default: all]")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="vgg16, vgg19, a torchvision classifier, or timm:NAME.  [default: vgg16]")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="auto, none (random) or a file: .safetensors, .pth, .onnx.  [default: auto]")
    ] = None,
    preprocessing: Annotated[
        Literal["auto", "imagenet", "oxford"] | None,
        typer.Option(help="What the weights expect; auto finds it out with them.  [default: auto]"),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer of the feature map.  [default: relu5_3 of VGG16; else the last map]")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="Descriptors, comma-separated, all from one pass: max, avg, avg-raw, bilinear, bilinear-full, "
            "bilinear-reduce144, bilinear-variance20000, compact, compact-rm, compact-d4096.  [default: bilinear]"
        ),
    ] = None,
    reduce: Annotated[
        int | None, typer.Option(help="Channels after a 1x1 PCA reduction before bilinear and compact pooling.")
    ] = None,
    select: Annotated[
        str | None, typer.Option(help="Keep the components of highest training variance, such as variance:20000.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the square input, in pixels.  [default: 224]")] = None,
    resize: Annotated[
        Literal["squash", "crop", "letterbox"] | None, typer.Option(help="How it becomes square.  [default: squash]")
    ] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Average with the mirrored image.  [default: no-flip]")
    ] = None,
    dtype: Annotated[
        Literal["float16", "float32"] | None, typer.Option(help="Storage type.  [default: float16]")
    ] = None,
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
    nproc: Annotated[int, typer.Option(min=1, help="Processes, one per device; each writes whole shards.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted extraction, or start it afresh.")
    ] = True,
    overwrite: options.Overwrite = False,
    on_error: options.OnError = "fail",
    max_errors: Annotated[int | None, typer.Option(min=0, help="With skip: stop after more than this many.")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Compress the finished file (slow to read).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    recipe: options.Recipe = None,
    set_: options.SetOverrides = None,
    quiet: options.Quiet = False,
) -> None:
    """Run images through a backbone once and cache their descriptors."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.tables import print_failures
    from birdnet_cli.core.engine.extract import prepare_extraction
    from birdnet_cli.core.features.run import run_extraction
    from birdnet_cli.core.recipe import ExtractSettings, resolve_settings

    flags = {
        "backbone": backbone, "weights": weights, "preprocessing": preprocessing, "layer": layer, "pooling": pooling,
        "reduce": reduce, "select": select, "image_size": image_size, "resize": resize, "flip": flip, "dtype": dtype,
        "precision": precision, "batch_size": batch_size, "workers": workers, "device": device,
    }  # fmt: skip
    progress = ConsoleProgress(quiet=quiet)
    extraction = prepare_extraction(
        data,
        output,
        settings=resolve_settings(ExtractSettings, section="extract", recipe=recipe, flags=flags, overrides=set_ or ()),
        data_format=data_format,
        bbox=bbox,
        splits=tuple(split.split(",")) if split else (),
        progress=progress,
    )
    if dry_run:
        typer.echo(extraction.estimate())
        return
    report = run_extraction(
        extraction,
        resume=resume,
        overwrite=overwrite,
        on_error=on_error,
        max_errors=max_errors,
        compress=compress,
        nproc=nproc,
        progress=progress,
    )
    typer.echo(report.summary())
    if report.failures:
        print_failures(report.failures)
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)
