"""A named tuple as options of a command, which gets the named tuple made of the options' values."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from birdnet_cli.cli.options import SettingsCommand, with_groups, with_settings
from birdnet_cli.core import recipe
from birdnet_cli.core.recipe import Flag, Settings


def refuse_steel(tin: str) -> str:
    if tin == "steel":
        raise typer.BadParameter("steel sticks")
    return tin


class Heat(NamedTuple):
    """How a cake is heated."""

    degrees: Annotated[int, typer.Option("--degrees", "-t", min=50, envvar="DEGREES", help="Heat.")] = 200
    fan: Annotated[bool, typer.Option("--fan", help="Run the fan.")] = False


class Tin(NamedTuple):
    """What a cake is baked in."""

    tin: Annotated[str, typer.Option(callback=refuse_steel, help="Material.")]


class Oven(Settings):
    """Settings of a command that bakes."""

    shelf: Annotated[int, Flag()] = Field(default=1, description="Shelf of the cake.")


Run = Callable[..., Any]
Cake = Annotated[str, typer.Argument(help="Cake.")]


def run_command(decorate: Callable[[typer.Typer], None]) -> Run:
    """Return a function that runs the command `bake` of an application, to which `decorate` adds the command."""
    app = typer.Typer(add_completion=False)

    @app.callback()
    def root() -> None:
        """Make several commands out of one."""

    decorate(app)
    return lambda *arguments, **variables: CliRunner().invoke(
        app, ["bake", *arguments], env={"COLUMNS": "200", **variables}
    )


@pytest.fixture
def baked() -> list[tuple[Any, ...]]:
    """What reached the command."""
    return []


@pytest.fixture
def bake(baked: list[tuple[Any, ...]]) -> Run:
    def decorate(app: typer.Typer) -> None:
        @app.command()
        @with_groups
        def bake(cake: Cake, *, note: str = "none", heat: Heat, tin: Tin, quiet: bool = False) -> None:
            """Bake a cake."""
            baked.append((cake, note, heat, tin, quiet))

    return run_command(decorate)


def test_a_group_is_built_from_its_options(bake: Run, baked: list[tuple[Any, ...]]) -> None:
    assert bake("pie", "-t", "180", "--fan", "--tin", "glass", "--note", "hot", "--quiet").exit_code == 0
    assert baked == [("pie", "hot", Heat(degrees=180, fan=True), Tin(tin="glass"), True)]


def test_fields_that_are_not_given_have_the_defaults_of_the_group(bake: Run, baked: list[tuple[Any, ...]]) -> None:
    bake("pie", "--tin", "glass")
    assert baked == [("pie", "none", Heat(), Tin(tin="glass"), False)]


def test_an_environment_variable_sets_a_field(bake: Run, baked: list[tuple[Any, ...]]) -> None:
    bake("pie", "--tin", "glass", DEGREES="90")
    assert baked[0][2] == Heat(degrees=90)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tin", "glass", "--degree-of-heat", "9"], "No such option: --degree-of-heat"),
        (["--tin", "glass", "--degrees", "9"], "Invalid value for '--degrees'"),
        (["--tin", "steel"], "steel sticks"),
        ([], "Missing option '--tin'"),
    ],
    ids=["unknown", "out of range", "refused by the callback", "missing"],
)
def test_the_parser_refuses_bad_options_of_a_group(
    bake: Run, baked: list[tuple[Any, ...]], arguments: list[str], message: str
) -> None:
    result = bake("pie", *arguments)
    assert (result.exit_code, baked) == (2, [])
    assert message in result.stderr


def test_help_lists_the_fields_where_the_group_stands(bake: Run) -> None:
    text = bake("--help").stdout
    assert "Bake a cake." in text
    places = [text.index(name) for name in ("--note", "--degrees", "--fan", "--tin", "--quiet")]
    assert places == sorted(places)
    assert "--heat" not in text


def test_a_command_can_have_groups_and_settings(monkeypatch: pytest.MonkeyPatch, baked: list[tuple[Any, ...]]) -> None:
    monkeypatch.setitem(recipe.SECTIONS, "oven", Oven)

    def decorate(app: typer.Typer) -> None:
        @app.command(cls=SettingsCommand)
        @with_settings("oven")
        @with_groups
        def bake(cake: Cake, *, settings: "Oven", heat: Heat) -> None:
            """Bake a cake."""
            baked.append((cake, settings, heat))

    result = run_command(decorate)("pie", "--shelf", "2", "--degrees", "80")
    assert result.exit_code == 0, result.output
    assert baked == [("pie", Oven(shelf=2), Heat(degrees=80))]


def test_two_options_of_one_name_are_refused_when_the_command_is_defined() -> None:
    def bake(*, heat: Heat, fan: bool = False) -> None:
        """Bake a cake."""

    with pytest.raises(ValueError, match="duplicate parameter name: 'fan'"):
        with_groups(bake)
