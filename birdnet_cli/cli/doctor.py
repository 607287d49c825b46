"""`fbn doctor`: what this installation has, what it lacks, and the command that mends it."""

from typing import Annotated

import typer

from birdnet_cli.core.errors import ExitCode

__all__ = ["doctor"]


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Report versions, devices, weights and ops; exit with 1 if something that fbn needs is missing."""
    import json

    from birdnet_cli.cli.display.tables import print_checks
    from birdnet_cli.core.engine.doctor import examine

    checks = examine()
    if as_json:
        typer.echo(json.dumps([check.to_json() for check in checks], indent=1))
    else:
        print_checks(checks)
    if any(check.status == "missing" for check in checks):
        raise typer.Exit(ExitCode.FAILURE)
