"""`fbn`: the list of all commands, and the only place where errors become text and exit codes."""

import io
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated, NoReturn

import typer

from birdnet_cli._version import __version__
from birdnet_cli.cli.bench import bench_app
from birdnet_cli.cli.cache import cache_app
from birdnet_cli.cli.compare import compare
from birdnet_cli.cli.data import data_app
from birdnet_cli.cli.demo import demo
from birdnet_cli.cli.display.printable import printable
from birdnet_cli.cli.doctor import doctor
from birdnet_cli.cli.evaluate import evaluate
from birdnet_cli.cli.extract import extract
from birdnet_cli.cli.finetune import finetune
from birdnet_cli.cli.info import info
from birdnet_cli.cli.kernels import kernels_app
from birdnet_cli.cli.models import models_app
from birdnet_cli.cli.neighbors import neighbors
from birdnet_cli.cli.options import SettingsCommand
from birdnet_cli.cli.predict import predict
from birdnet_cli.cli.recipes import recipes_app
from birdnet_cli.cli.train_head import train_head
from birdnet_cli.core.errors import ExitCode, FbnError

__all__ = ["app", "main"]

app = typer.Typer(
    name="fbn",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {ExitCode.DONE} done, {ExitCode.FAILURE} failure, {ExitCode.USAGE} usage, "
    f"{ExitCode.SOME_INPUTS_FAILED} some inputs failed, {ExitCode.GATE_FAILED} a gate failed, "
    f"{ExitCode.INTERRUPTED}/{ExitCode.TERMINATED} interrupted.",
)
app.command()(demo)
app.command(cls=SettingsCommand)(extract)
app.command("train-head", cls=SettingsCommand)(train_head)
app.command(cls=SettingsCommand)(finetune)
app.command()(predict)
app.command()(evaluate)
app.command()(compare)
app.command()(neighbors)
app.command()(info)
app.add_typer(cache_app, name="cache")
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
app.add_typer(recipes_app, name="recipes")
app.add_typer(kernels_app, name="kernels")
app.add_typer(bench_app, name="bench")
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="FBN_DEBUG", help="Show tracebacks of errors.", show_default="off")
    ] = False,
) -> None:
    """Tell look-alikes apart: from a folder of images to a trained, portable classifier."""
    if debug:
        os.environ["FBN_DEBUG"] = "1"


def main() -> NoReturn:
    """Run the command line; an error that fbn raises on purpose is a line on stderr, and sets the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _send_interrupt_again
    _accept_any_file_name()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except (FbnError, OSError, MemoryError) as error:
        if os.environ.get("FBN_DEBUG"):
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {printable(message)}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, FbnError) else ExitCode.FAILURE)
    sys.exit(ExitCode.DONE)


def _accept_any_file_name() -> None:
    # Bytes of a file name that are not UTF-8 are read as `os.fsdecode` reads them, and written as \udcXX.
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # SystemExit runs the context managers on the stack, which remove temporary files; finished shards and files stay.
    sys.exit(ExitCode.TERMINATED)


def _send_interrupt_again(dropped: "sys.UnraisableHookArgs") -> None:
    # Python drops an exception that is raised in a destructor or a weakref callback; an interrupt must not be lost.
    if isinstance(dropped.exc_value, (KeyboardInterrupt, SystemExit)):
        number = signal.SIGINT if isinstance(dropped.exc_value, KeyboardInterrupt) else signal.SIGTERM
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    else:
        sys.__unraisablehook__(dropped)
