"""`fbn kernels`: the compiled implementations of the ops."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options

__all__ = ["kernels_app"]

kernels_app = typer.Typer(
    no_args_is_help=True,
    help="Report, build and remove compiled kernels. They are built on first use, too: FBN_OPS=auto|native|reference.",
)


@kernels_app.command()
def status(as_json: options.AsJson = False) -> None:
    """Say for every op which implementation runs on which device, and why; nothing is built."""
    from birdnet_cli.cli.display.kernels import print_kernels
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.core.ops.kernel_builds import report_kernels

    report = report_kernels()
    print_result(report.to_json(), as_json=as_json, table=lambda: print_kernels(report))


@kernels_app.command()
def build(
    device: Annotated[
        Literal["cpu", "cuda", "all"] | None,
        typer.Option(
            help="Devices whose kernels are built; cuda needs nvcc, but no GPU.",
            show_default="the devices of this machine",
        ),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="GPU architectures, such as '8.0;9.0+PTX'.",
            show_default="TORCH_CUDA_ARCH_LIST; else this machine's GPUs; without a GPU, or into a wheel, "
            "8.0;8.6;8.9;9.0;10.0+PTX",
        ),
    ] = None,
    into_wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="WHEEL|FOLDER",
            help="Build the sources of this wheel of fbn, and write a wheel beside it that needs no compiler.",
            show_default="kernels are built for this machine",
        ),
    ] = None,
) -> None:
    """Compile the kernels now rather than on first use, or into a wheel for machines without a compiler."""
    from birdnet_cli.cli.display.console import ConsoleProgress
    from birdnet_cli.core.ops.kernel_builds import build_kernels, build_wheel

    devices = {None: (), "all": ("cpu", "cuda")}.get(device, (str(device),))
    progress = ConsoleProgress()
    if into_wheel is not None:
        typer.echo(build_wheel(into_wheel, devices, architectures=arch, progress=progress))
        return
    for library in build_kernels(devices, architectures=arch, progress=progress):
        typer.echo(f"{library.device}: {library.path} ({library.tool}, {library.seconds:.1f} s)")


@kernels_app.command()
def clean() -> None:
    """Remove the kernels that were built on this machine; the next use of an op builds them again."""
    from birdnet_cli.core.ops.native import clean_store, store_folder

    libraries, size = clean_store()
    typer.echo(f"{store_folder()}: libraries removed: {libraries} ({size / 1e6:.1f} MB)")
