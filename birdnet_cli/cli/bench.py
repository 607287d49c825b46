"""`fbn bench`: rates on this machine."""

import json
from pathlib import Path
from typing import Annotated, Literal

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
    from birdnet_cli.cli.display.bench import print_rates
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.bench.extraction import bench_extract as run
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


@bench_app.command("ops")
def bench_ops(
    op: Annotated[str | None, typer.Option(help="Ops, comma-separated.  [default: all]")] = None,
    shapes: Annotated[
        str | None,
        typer.Option(metavar="NxCxL,…", help="Images x channels x positions.  [default: each op's own list]"),
    ] = None,
    dtypes: Annotated[str, typer.Option(help="Of the feature maps, comma-separated.")] = "float32,bfloat16",
    contenders: Annotated[str | None, typer.Option(help="By name, comma-separated.  [default: all]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved samples; medians are shown.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="One small shape, three samples, nothing compiled.")] = False,
    device: options.Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Time the ops against the usual ways of writing them, beside a matrix product and a copy on this machine."""
    from birdnet_cli.cli.display.bench import print_op_report
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.bench.ops import bench_ops as run
    from birdnet_cli.core.bench.ops import list_contenders, list_op_benches, parse_shapes

    ops = op.split(",") if op else list_op_benches()
    if quick:
        shapes, repeats = shapes or "8x512x196", min(repeats, 3)
        contenders = contenders or ",".join(name for name in list_contenders(ops) if name != "compile")
    report = run(
        ops,
        device=device or "auto",
        shapes=parse_shapes(shapes) if shapes else None,
        dtypes=dtypes.split(","),
        contenders=contenders.split(",") if contenders else None,
        repeats=repeats,
        progress=ConsoleProgress(),
    )
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=1))
    else:
        print_op_report(report)


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
    from birdnet_cli.cli.display.bench import print_data_rates
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.bench.data import bench_data as run

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


@bench_app.command("head")
def bench_head(
    cache: Annotated[Path, typer.Argument(help="A feature cache written by fbn extract.")],
    pooling: Annotated[
        str | None, typer.Option(help="Which of the cache's descriptors; needed when it has several.")
    ] = None,
    head: Annotated[Literal["softmax", "svm"], typer.Option(help="Loss.")] = "svm",
    C: Annotated[
        float | None, typer.Option("-C", min=1e-300, help="Weight of the loss.  [default: the middle of -C auto]")
    ] = None,
    images: Annotated[int | None, typer.Option(min=2, help="Training images, evenly spaced.  [default: all]")] = None,
    classes: Annotated[int | None, typer.Option(min=2, help="The first so many classes.  [default: all]")] = None,
    dims: Annotated[int | None, typer.Option(min=1, help="Values, evenly spaced.  [default: all]")] = None,
    tolerance: Annotated[float, typer.Option(min=1e-12, max=1, help="scikit-learn's tol.")] = 1e-6,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Time the exact head against scikit-learn's LinearSVC or LogisticRegression on the same descriptors."""
    from birdnet_cli.cli.display.bench import print_head_comparison
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.bench.head import Subset
    from birdnet_cli.core.bench.head import bench_head as run

    found = run(
        cache,
        pooling=pooling,
        head=head,
        C=C,
        subset=Subset(images=images, classes=classes, dims=dims),
        tolerance=tolerance,
        repeats=repeats,
        progress=ConsoleProgress(),
    )
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
    else:
        print_head_comparison(found)
