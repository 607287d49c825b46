"""The end of a command that prints its result as JSON or as a table."""

import json
from collections.abc import Callable

import typer

__all__ = ["print_result"]


def print_result(document: object, *, as_json: bool, table: Callable[[], None]) -> None:
    """Print a result on stdout.

    Args:
        document: the result as plain values.
        as_json: print `document` as JSON, in ASCII.
        table: prints the result for people; called otherwise.
    """
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        table()
