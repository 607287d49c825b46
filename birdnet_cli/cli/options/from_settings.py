"""Options made from a settings model: names, types, defaults, ranges and help of the model's fields.

A settings model needs pydantic, which `fbn --help` should not wait for: options are made when their command is parsed
or shows its help.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand
from typer.main import get_command

from birdnet_cli.cli.options.signature import set_signature

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["SettingsCommand", "with_settings"]

# Attribute of a decorated function: creates the whole command.
CREATE = "create_command"
# Sources of an option's value other than the user.
NOT_GIVEN = ("DEFAULT", "DEFAULT_MAP")


class SettingsCommand(TyperCommand):
    """Command of a function that `with_settings` decorates."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Create the command with all its options, and make its context."""
        assert self.callback is not None
        return getattr(inspect.unwrap(self.callback), CREATE)().make_context(*arguments, **named)


def with_settings(
    section: str, *, only: Sequence[str] = (), recipes: bool = True
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Decorate the function of a command, to be registered with `cls=SettingsCommand`.

    The function's parameter `settings` becomes the options of those fields of the section's model that have a `Flag`,
    and the function is called with the settings resolved from recipe, options and `--set`.

    Args:
        section: section of a recipe, which says the settings model.
        only: names of the fields that are options; empty is all fields that have a `Flag`.
        recipes: add the options `--recipe` and `--set`.
    """

    def decorate(function: Callable[..., None]) -> Callable[[], None]:
        def command() -> None:
            raise NotImplementedError(f"{function.__name__} is to be registered with cls=SettingsCommand")

        def create() -> Any:
            app = typer.Typer(add_completion=False)
            app.command()(_add_options(function, section, only=only, recipes=recipes))
            return get_command(app)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        setattr(command, CREATE, create)
        return command

    return decorate


def _add_options(
    function: Callable[..., None], section: str, *, only: Sequence[str], recipes: bool
) -> Callable[..., None]:
    from birdnet_cli.core.recipe import SECTIONS, resolve_settings

    schema = SECTIONS[section]
    fields = [_field_option(name, field) for name, field in schema.model_fields.items() if not only or name in only]
    options = [option for option in fields if option is not None]
    names = [option.name for option in options]

    def command(context: typer.Context, **values: Any) -> None:
        given = {name: values.pop(name) for name in names}
        flags = {name: _plain(value) for name, value in given.items() if _is_given(context, name)}
        recipe, overrides = values.pop("recipe", None), values.pop("set_", None)
        settings = resolve_settings(schema, section=section, recipe=recipe, flags=flags, overrides=overrides or ())
        function(settings=settings, **values)

    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "settings":
            parameters += [*options, *(_recipe_options(section) if recipes else ())]
        else:
            parameters.append(parameter)
    set_signature(command, parameters, documented_by=function)
    return command


def _recipe_options(section: str) -> tuple[inspect.Parameter, ...]:
    recipe = typer.Option("--recipe", help="A recipe's name or file.", metavar="NAME|FILE", show_default="none")
    overrides = typer.Option(
        "--set",
        help=f"Override any setting: {section}.KEY=VALUE; repeatable.",
        metavar="K=V",
        show_default="none",
    )
    return (
        _parameter("recipe", str | None, recipe, default=None),
        _parameter("set_", list[str] | None, overrides, default=None),
    )


def _field_option(name: str, field: "FieldInfo") -> inspect.Parameter | None:
    from birdnet_cli.core.recipe import Flag

    flag = next((item for item in field.metadata if isinstance(item, Flag)), None)
    if flag is None:
        return None
    kind = Path if flag.file else _option_type(field.annotation)
    default = ",".join(map(str, field.default)) or None if isinstance(field.default, tuple) else field.default
    is_switch = kind is bool and flag.names and not any("/" in decl for decl in flag.names)
    option = typer.Option(
        *flag.names,
        help=" ".join([field.description or "", *_describe_range(field.metadata)]),
        metavar=flag.metavar,
        show_default=flag.default or ("off" if is_switch else True),
        rich_help_panel=flag.panel,
    )
    return _parameter(name, kind | None if default is None else kind, option, default=default)


def _parameter(name: str, kind: Any, option: Any, *, default: Any) -> inspect.Parameter:
    annotation = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option_type(annotation: Any) -> Any:
    """Return the type of a field's option: its own, and `str` for a list or for a choice of types."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _option_type(kinds[0]) if len(kinds) == 1 else str
    return str if origin is tuple else annotation


def _describe_range(metadata: Iterable[Any]) -> list[str]:
    """Return the sentence that says a number's range, or nothing."""
    bounds = {key: getattr(item, key) for item in metadata for key in ("ge", "gt", "le", "lt") if hasattr(item, key)}
    if {"ge", "le"} <= bounds.keys():
        return [f"{bounds['ge']} to {bounds['le']}."]
    low = f"At least {bounds['ge']}" if "ge" in bounds else f"Above {bounds['gt']}" if "gt" in bounds else ""
    high = f"at most {bounds['le']}" if "le" in bounds else f"below {bounds['lt']}" if "lt" in bounds else ""
    words = ", ".join(part for part in (low, high) if part)
    return [f"{words[0].upper()}{words[1:]}."] if words else []


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name not in NOT_GIVEN


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
