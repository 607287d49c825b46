"""How a setting is given on the command line: names, default in words, metavar and group of its option."""

from dataclasses import dataclass

__all__ = ["Flag"]


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Annotates a field of a settings model that is an option of the command line too.

    The option's name, type, default, range and help come from the field; a `Flag` says only what differs.

    Attributes:
        names: names of the option, such as `("--batch-size", "-b")`; empty is `--field-name`, and for a switch
            `--field-name/--no-field-name`.
        default: the default in words, where the field's own default is None or does not say it.
        metavar: placeholder of the value in `--help`; None is the type.
        panel: group of `--help` that lists the option; None is "Options".
        file: the value is the path of a file.
    """

    names: tuple[str, ...] = ()
    default: str | None = None
    metavar: str | None = None
    panel: str | None = None
    file: bool = False
