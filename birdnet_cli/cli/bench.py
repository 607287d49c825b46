"""`fbn bench`: rates on this machine."""

import json
from typing import Annotated

import typer

from birdnet_cli.cli import options

__all__ = ["bench_app"]

bench_app = typer.Typer(no_args_is_help=True, help="Measure rates on this machine.")


@bench_app.callback()
def _bench() -> None:
    """Measure rates on this machine."""


@bench_app.command("extract")
def bench_extract(
    data: options.DataRoot,
    images: Annotated[int, typer.Option(min=16, help="Images per measurement.")] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 3,
    backbone: Annotated[str, typer.Option(help="The backbone.")] = "vgg16",
    weights: Annotated[str, typer.Option(help="auto, none (random) or a file.")] = "auto",
    pooling: Annotated[str, typer.Option(help="Descriptors, comma-separated.")] = "bilinear",
    image_size: Annotated[int, typer.Option(help="Side of the square input, in pixels.")] = 224,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    device: options.Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Time the whole extraction pipeline against the backbone alone, in bfloat16 and float32, interleaved."""
    from birdnet_cli.cli.console import ConsoleProgress
    from birdnet_cli.cli.tables import print_rates
    from birdnet_cli.core.engine.bench_extract import bench_extract as run
    from birdnet_cli.core.recipe import ExtractSettings, resolve_settings

    flags = {
        "backbone": backbone, "weights": weights, "pooling": pooling, "image_size": image_size,
        "batch_size": batch_size, "workers": workers, "device": device,
    }  # fmt: skip
    rates = run(
        data,
        settings=resolve_settings(ExtractSettings, section="extract", flags=flags),
        images=images,
        repeats=repeats,
        progress=ConsoleProgress(),
    )
    if as_json:
        typer.echo(json.dumps([row.to_json() for row in rates], indent=1))
    else:
        print_rates(rates)


@bench_app.command("data")
def bench_data(
    data: options.DataRoot,
    images: Annotated[int, typer.Option(min=16, help="Images per measurement.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 3,
    image_size: Annotated[int, typer.Option(min=16, help="Side of the square, in pixels.")] = 224,
    workers: options.Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Time reading, decoding and resizing: all of it in processes, and each step alone in one."""
    from birdnet_cli.cli.console import ConsoleProgress
    from birdnet_cli.cli.tables import print_data_rates
    from birdnet_cli.core.engine.bench_data import bench_data as run

    rates = run(
        data,
        image_size=image_size,
        images=images,
        repeats=repeats,
        workers=2 if workers is None else workers,
        progress=ConsoleProgress(),
    )
    if as_json:
        typer.echo(json.dumps(rates.to_json(), indent=1))
    else:
        print_data_rates(rates)
