"""The signature from which Typer makes the options of a command, set on a function that takes any keywords."""

import inspect
from collections.abc import Callable, Iterable

__all__ = ["set_signature"]


def set_signature(
    command: Callable[..., None], parameters: Iterable[inspect.Parameter], *, documented_by: Callable[..., None]
) -> None:
    """Give a command its parameters, and the name and docstring of the function that it calls.

    Args:
        command: a function of keywords alone.
        parameters: its parameters in the order of `--help`. They become keyword-only, so that a required option may
            follow an option with a default.
        documented_by: the function whose name and docstring the command takes.

    Raises:
        ValueError: two parameters have the same name.
    """
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__name__, command.__doc__ = documented_by.__name__, documented_by.__doc__
    command.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
