"""`fbn kernels`: the compiled implementations of the ops."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["kernels_app"]

kernels_app = typer.Typer(
    no_args_is_help=True,
    help="Report, build and remove compiled kernels. They are built on first use, too: FBN_OPS=auto|native|reference.",
)


@kernels_app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Say for every op which implementation runs on which device, and why; nothing is built."""
    from rich.table import Table
    from rich.text import Text

    from birdnet_cli.cli.display.console import stdout
    from birdnet_cli.core.ops.kernel_builds import report_kernels

    report = report_kernels()
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=1))
        return
    libraries = {f"{device} library": path for device, path in report.libraries.items()}
    for name, found in {"FBN_OPS": report.mode, "built kernels": report.store, **report.tools, **libraries}.items():
        stdout.print(Text(f"{name}: {found}"), soft_wrap=True)
    table = Table("op", "device", "runs", "why", "what to do", box=None, header_style="bold", pad_edge=False)
    for one in report.ops:
        table.add_row(*map(Text, (f"fbn::{one.op}", one.device, one.runs, one.why, one.remedy)))
    stdout.print(table)


@kernels_app.command()
def build(
    device: Annotated[
        Literal["cpu", "cuda", "all"] | None,
        typer.Option(help="Whose kernels; cuda needs nvcc, but no GPU.  [default: what this machine has]"),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="GPU architectures, such as '8.0;9.0+PTX'.  [default: TORCH_CUDA_ARCH_LIST; else this machine's GPUs; "
            "without one, or into a wheel, 8.0;8.6;8.9;9.0;10.0+PTX]",
        ),
    ] = None,
    into_wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="WHEEL|FOLDER",
            help="Build the sources of this wheel of fbn, and write a wheel beside it that needs no compiler.",
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
