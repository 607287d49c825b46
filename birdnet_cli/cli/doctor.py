"""`fbn doctor`: what this installation has, what it lacks, and the command that installs it."""

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["doctor"]


def doctor(as_json: options.AsJson = False) -> None:
    """Report versions, devices, weights and ops; exit with 1 if something that fbn needs is missing."""
    from birdnet_cli.cli.display.results import print_result
    from birdnet_cli.cli.display.tables import print_checks
    from birdnet_cli.core.engine.doctor import examine

    checks = examine()
    print_result([check.to_json() for check in checks], as_json=as_json, table=lambda: print_checks(checks))
    if any(check.status == "missing" for check in checks):
        raise typer.Exit(ExitCode.FAILURE)
