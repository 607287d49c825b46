"""`fbn bench`: rates on this machine."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from birdnet_cli.cli import options

if TYPE_CHECKING:
    from birdnet_cli.core.recipe import ExtractSettings

__all__ = ["bench_app"]

bench_app = typer.Typer(no_args_is_help=True, help="Measure rates on this machine.")


@bench_app.callback()
def _bench() -> None:
    """Measure rates on this machine."""


@bench_app.command("extract", cls=options.SettingsCommand)
@options.with_settings(
    "extract",
    only=("backbone", "weights", "pooling", "image_size", "batch_size", "workers", "device"),
    recipes=False,
)
def bench_extract(
    data: options.DataRoot,
    *,
    images: Annotated[int, typer.Option(min=16, help="Images per measurement.")] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 3,
    settings: "ExtractSettings",
    as_json: options.AsJson = False,
) -> None:
    """Time the whole extraction pipeline against the backbone alone, in bfloat16 and float32, interleaved."""
    from birdnet_cli.cli.display.bench import print_rates
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.bench.extraction import bench_extract as run

    rates = run(data, settings=settings, images=images, repeats=repeats, progress=ConsoleProgress())
    print_result([row.to_json() for row in rates], as_json=as_json, table=lambda: print_rates(rates))


@bench_app.command("ops")
def bench_ops(
    op: Annotated[str | None, typer.Option(help="Ops to time, comma-separated.", show_default="all")] = None,
    shapes: Annotated[
        str | None,
        typer.Option(
            metavar="NxCxL,…", help="Images x channels x positions of the inputs.", show_default="each op's own list"
        ),
    ] = None,
    dtypes: Annotated[str, typer.Option(help="Types of the feature maps, comma-separated.")] = "float32,bfloat16",
    contenders: Annotated[
        str | None, typer.Option(help="Implementations to time, comma-separated.", show_default="all")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved samples; medians are shown.")] = 7,
    quick: Annotated[
        bool, typer.Option("--quick", help="One small shape, three samples, nothing compiled.", show_default="off")
    ] = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Time the ops against the usual ways of writing them, beside a matrix product and a copy on this machine."""
    from birdnet_cli.cli.display.bench import print_op_report
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.bench.ops import bench_ops as run
    from birdnet_cli.core.bench.ops import list_contenders, list_op_benches, parse_shapes

    ops = op.split(",") if op else list_op_benches()
    if quick:
        shapes, repeats = shapes or "8x512x196", min(repeats, 3)
        contenders = contenders or ",".join(name for name in list_contenders(ops) if name != "compile")
    report = run(
        ops,
        device=device,
        shapes=parse_shapes(shapes) if shapes else None,
        dtypes=dtypes.split(","),
        contenders=contenders.split(",") if contenders else None,
        repeats=repeats,
        progress=ConsoleProgress(),
    )
    print_result(report.to_json(), as_json=as_json, table=lambda: print_op_report(report))


@bench_app.command("data")
def bench_data(
    data: options.DataRoot,
    images: Annotated[int, typer.Option(min=16, help="Images per measurement.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 3,
    image_size: Annotated[int, typer.Option(min=16, help="Side of the square, in pixels.")] = 224,
    workers: options.Workers = 2,
    as_json: options.AsJson = False,
) -> None:
    """Time reading, decoding and resizing: all steps in worker processes, and each step alone in one process."""
    from birdnet_cli.cli.display.bench import print_data_rates
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.bench.data import bench_data as run

    rates = run(
        data,
        image_size=image_size,
        images=images,
        repeats=repeats,
        workers=workers,
        progress=ConsoleProgress(),
    )
    print_result(rates.to_json(), as_json=as_json, table=lambda: print_data_rates(rates))


class CachePart(NamedTuple):
    """The part of a cache that is measured."""

    images: Annotated[
        int | None, typer.Option(min=2, help="Number of training images, evenly spaced.", show_default="all")
    ] = None
    classes: Annotated[
        int | None, typer.Option(min=2, help="Number of classes, the first of the cache.", show_default="all")
    ] = None
    dims: Annotated[
        int | None, typer.Option(min=1, help="Number of values per descriptor, evenly spaced.", show_default="all")
    ] = None


@bench_app.command("head")
@options.with_groups
def bench_head(
    cache: options.CacheFile,
    *,
    pooling: options.Descriptor = None,
    head: Annotated[Literal["softmax", "svm"], typer.Option(help="Loss.")] = "svm",
    C: Annotated[
        float | None,
        typer.Option(
            "-C",
            min=1e-300,
            help="Weight of the loss against the penalty.",
            show_default="the middle of train-head's candidates for -C auto",
        ),
    ] = None,
    part: CachePart,
    tolerance: Annotated[float, typer.Option(min=1e-12, max=1, help="Tolerance of scikit-learn (tol).")] = 1e-6,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are shown.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Time the exact head against scikit-learn's LinearSVC or LogisticRegression on the same descriptors."""
    from birdnet_cli.cli.display.bench import print_head_comparison
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.bench.head import Subset
    from birdnet_cli.core.bench.head import bench_head as run

    comparison = run(
        cache,
        pooling=pooling,
        head=head,
        C=C,
        subset=Subset(images=part.images, classes=part.classes, dims=part.dims),
        tolerance=tolerance,
        repeats=repeats,
        progress=ConsoleProgress(),
    )
    print_result(comparison.to_json(), as_json=as_json, table=lambda: print_head_comparison(comparison))
